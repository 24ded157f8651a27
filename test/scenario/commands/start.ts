import { ConfigError } from "../../../pkg/config/index.js";
import { ReplicationError } from "../../../pkg/replication/index.js";
import type { Arguments } from "../arguments.js";
import type { Command } from "../command.js";
import type { Member } from "../member.js";
import type { World } from "../world.js";

const SHORT: Readonly<Record<string, string>> = {
  mode: "NORNICDB_CLUSTER_MODE",
  election: "NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT",
  heartbeat: "NORNICDB_CLUSTER_RAFT_HEARTBEAT_TIMEOUT",
  lease: "NORNICDB_CLUSTER_RAFT_LEADER_LEASE_TIMEOUT",
  commit: "NORNICDB_CLUSTER_RAFT_COMMIT_TIMEOUT",
  trailing: "NORNICDB_CLUSTER_RAFT_TRAILING_LOGS",
  threshold: "NORNICDB_CLUSTER_RAFT_SNAPSHOT_THRESHOLD",
};

/** Settings by their short names; a restart keeps those that are not given again. */
export async function configure(world: World, ids: readonly string[], args: Arguments) {
  const members = await Promise.all(ids.map((id) => world.make(id)));
  const founders = args.text("founders");
  const settings = Object.entries(SHORT).flatMap(([short, name]) => {
    const value = args.text(short);
    return value === undefined ? [] : [[name, value] as const];
  });
  const environment: Record<string, string> = Object.fromEntries(settings);
  if (founders !== undefined) {
    const named = founders.split(",").filter((id) => id !== "none" && id !== "alone");
    const peers = await Promise.all(named.map((id) => world.make(id)));
    environment.NORNICDB_CLUSTER_RAFT_BOOTSTRAP = String(founders !== "none");
    environment.NORNICDB_CLUSTER_RAFT_PEERS = peers
      .map(({ id, address }) => `${id}:${address}`)
      .join(",");
  }
  for (const member of members) member.configure(environment);
  return members;
}

export const start: Command = {
  usage: "start NODE,… [mode=M] [founders=NODE,…|alone|none] [election=D] [trailing=N] …",
  async run(world, args) {
    const members = await configure(world, args.list(0, "the nodes"), args);
    args.finish();
    const outcomes = await Promise.all(members.map((member) => startOne(world, member)));
    return [...new Set(outcomes)].join("; ");
  },
};

async function startOne(world: World, member: Member): Promise<string> {
  try {
    await member.start();
    return "started";
  } catch (error) {
    if (error instanceof ConfigError) return `refused: ${error.message.split("\n")[1]}`;
    if (!(error instanceof ReplicationError)) throw error;
    const { field, hint } = error.details;
    const said = [`refused: ${error.code} ${field ?? "-"}: ${error.message}`, hint].join("; ");
    return said.replaceAll(world.home, "");
  }
}

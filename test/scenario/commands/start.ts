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
  role: "NORNICDB_CLUSTER_HA_ROLE",
  sync: "NORNICDB_CLUSTER_HA_SYNC_MODE",
  fallback: "NORNICDB_CLUSTER_HA_SYNC_FALLBACK",
  beat: "NORNICDB_CLUSTER_HA_HEARTBEAT_MS",
  failover: "NORNICDB_CLUSTER_HA_FAILOVER_TIMEOUT",
  auto: "NORNICDB_CLUSTER_HA_AUTO_FAILOVER",
  ttl: "NORNICDB_CLUSTER_HA_LEASE_TTL",
  policy: "NORNICDB_CLUSTER_HA_PARTITION_POLICY",
  region: "NORNICDB_CLUSTER_REGION_ID",
  cross: "NORNICDB_CLUSTER_CROSS_REGION_MODE",
  strategy: "NORNICDB_CLUSTER_CONFLICT_STRATEGY",
};

/** Those of the arguments that are settings of one value. */
export function environmentOf(args: Arguments): Record<string, string> {
  const settings = Object.entries(SHORT).flatMap(([short, name]) => {
    const value = args.text(short);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(settings);
}

/** Settings by their short names; a restart keeps those that are not given again. */
export async function configure(world: World, ids: readonly string[], args: Arguments) {
  const members = await Promise.all(ids.map((id) => world.make(id)));
  const founders = args.text("founders");
  const environment = environmentOf(args);
  if (founders !== undefined) {
    const named = founders === "none" || founders === "alone" ? "" : founders;
    environment.NORNICDB_CLUSTER_RAFT_BOOTSTRAP = String(founders !== "none");
    environment.NORNICDB_CLUSTER_RAFT_PEERS = await listed(world, named);
  }
  const pair = args.text("pair");
  if (pair !== undefined) environment.NORNICDB_CLUSTER_HA_PEERS = await listed(world, pair);
  const witness = args.text("witness");
  if (witness !== undefined) {
    environment.NORNICDB_CLUSTER_HA_ARBITER = "witness";
    environment.NORNICDB_CLUSTER_HA_ARBITER_ADDR = (await world.make(witness)).address;
  }
  for (const member of members) member.configure(environment);
  return members;
}

/** Names with the addresses where the nodes reach each other. */
export async function listed(world: World, names: string): Promise<string> {
  const ids = names.split(",").filter((id) => id !== "");
  const peers = await Promise.all(ids.map((id) => world.make(id)));
  return peers.map(({ id, address }) => `${id}:${address}`).join(",");
}

export const start: Command = {
  usage:
    "start NODE,… [mode=M] [founders=NODE,…|alone|none] [pair=NODE,…] [role=R] [witness=NODE] [sync=M] [election=D] …",
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
    return said.replaceAll(world.home, "").replace(/epoch \d+/g, "epoch N");
  }
}

import { existsSync } from "node:fs";
import { join } from "node:path";
import { formatHostPort, type LoadedConfig } from "../../pkg/config/index.js";
import { makeOnlyVoter, readStanding, type Standing } from "../../pkg/replication/raft/index.js";
import { noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import { nodeFileSystem, systemClock, systemRandom } from "../../pkg/runtime/node/index.js";
import { openSegmentedLog } from "../../pkg/storage/log/index.js";
import { logFolder, type StoredIdentity, settleIdentity } from "../../pkg/wiring/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, rangeText, table } from "./answer.js";
import { Failure } from "./failure.js";
import { RestorePlace } from "./restore-place.js";
import { foldersOf } from "./settings.js";
import { requireLog } from "./wal-verbs.js";

/**
 * For a cluster that has lost its quorum for good: makes the stopped node the only voter, with all
 * that its log holds. Without `yes` it only tells what that would mean.
 * @throws Failure, LogError `LOG_DAMAGED`, or an error of code `ELOCKED` while the node runs
 */
export async function recover(loaded: LoadedConfig, yes: boolean): Promise<Answer> {
  const { config } = loaded;
  if (config.mode !== "raft") throw notRaft(config.mode);
  const folders = foldersOf(loaded);
  requireLog(logFolder(folders));
  if (!existsSync(join(folders.replicationDir, "node.json"))) throw noIdentity(folders);
  const fileSystem = nodeFileSystem();
  const lock = await new RestorePlace(folders, fileSystem).lock();
  try {
    const wanted = { nodeId: config.nodeId, clusterId: config.cluster.clusterId };
    const ports = { fileSystem, random: systemRandom };
    const identity = await settleIdentity(wanted, folders.replicationDir, ports);
    const log = await openSegmentedLog({
      directory: logFolder(folders),
      fileSystem,
      clock: systemClock,
      logger: silentLogger,
      metrics: noMetrics,
      clusterId: identity.clusterId,
    });
    try {
      const standing = readStanding({ log, directory: folders.replicationDir, fileSystem });
      const address = formatHostPort(config.cluster.advertise);
      const self = { id: identity.nodeId, address, disk: identity.diskId };
      const written = yes ? await makeOnlyVoter(log, self) : null;
      return answer(identity, address, standing, written);
    } finally {
      await log.close();
    }
  } finally {
    lock.release();
  }
}

type Written = Awaited<ReturnType<typeof makeOnlyVoter>> | null;

function answer(
  { nodeId, clusterId }: StoredIdentity,
  address: string,
  { last, term, commit, members }: Standing,
  written: Written,
): Answer {
  const voters = members?.membership.voters.map(({ id }) => id) ?? [];
  const lost = voters.filter((id) => id !== nodeId);
  const facts = [
    ["node", `${nodeId} at ${address}`],
    ["cluster", clusterId],
    ["voters", voters.join(", ") || "none: it was not in a cluster"],
    ["last entry", `index ${last.index} of term ${last.term}`],
    ["term", String(term)],
    ["committed", `up to index ${commit}, as far as this node knows`],
    ["undecided", `${rangeText(commit + 1, last.index)}; they take effect`],
    ["may be lost", `what ${lost.join(", ") || "nobody"} acknowledged after index ${last.index}`],
  ];
  return {
    exit: EXIT.ok,
    json: { nodeId, clusterId, address, last, term, commit, members, lost, written },
    text: table(facts) + (written === null ? wouldBe(nodeId) : done(nodeId, written, lost)),
  };
}

function wouldBe(nodeId: string): string {
  return `nothing was changed; ${nodeId} would become the only voter
next: compare "last term", then "entries", of nornicctl wal info on every disk that can still be
read; on the one with the most: nornicctl recover --yes
`;
}

function done(nodeId: string, { index, term }: NonNullable<Written>, lost: readonly string[]) {
  const others = lost.map(
    (id) => `  ${id}: empty its data directory, set \
NORNICDB_CLUSTER_RAFT_BOOTSTRAP=false, start it, nornicctl member add ${id} HOST:PORT\n`,
  );
  return `${nodeId} is the only voter from index ${index} of term ${term} on
next: start ${nodeId}; never start another member on its old data
${others.join("")}`;
}

function notRaft(mode: string): Failure {
  return new Failure(
    EXIT.usage,
    "USAGE",
    `recover makes a node of mode raft the only voter; the settings here say ${mode}`,
    "give the node's own settings: --config FILE, or NORNICDB_CLUSTER_MODE=raft and the rest",
  );
}

function noIdentity({ replicationDir }: { readonly replicationDir: string }): Failure {
  return new Failure(
    EXIT.failed,
    "NO_DATA",
    `there is no node.json in ${replicationDir}`,
    "name the node's data directory with --data-dir, or its file of settings with --config",
  );
}

import { ReplicationError } from "../replication/index.js";
import type { LogStore } from "../replication/ports/index.js";
import { MembersFile } from "../replication/raft/index.js";
import type { FileSystem } from "../runtime/index.js";
import type { NodeSetup } from "./node-setup.js";

/**
 * WI-5: the mode may have been another when this directory was written.
 * @throws ReplicationError `INVALID` when the configured mode would misread it (FC-161)
 */
export function checkModeChange(
  { raft, ha, directory, identity }: NodeSetup,
  log: LogStore,
  fileSystem: FileSystem,
): void {
  const kept = new MembersFile(fileSystem, directory).read();
  const isMember = log.outline().configs.length > 0 || kept.configs.length > 0;
  if (raft === undefined) {
    if (ha !== undefined && !isMember) checkPair(ha.settings.startsAsPrimary, directory, log);
    if (!isMember) return;
    throw new ReplicationError(
      "INVALID",
      `${directory} is of ${identity.nodeId}, a member of cluster ${identity.clusterId}; alone it would write a history that the cluster does not know`,
      {
        field: "NORNICDB_CLUSTER_MODE",
        hint: "set it to raft; to go on without the cluster, nornicctl snapshot save FILE on a running member and nornicctl snapshot restore FILE into an empty directory",
      },
    );
  }
  const { bootstrap, founders } = raft.settings;
  const { last, base } = log;
  if (isMember || last.index === 0) return;
  const what = `${directory} has data up to entry ${last.index} that is of no cluster`;
  if (bootstrap && founders.length > 1) {
    throw new ReplicationError(
      "INVALID",
      `${what}; the other founders begin without it, so the cluster would not have it`,
      {
        field: "NORNICDB_CLUSTER_RAFT_PEERS",
        hint: "leave it empty here and start this node: it founds the cluster with its data; start the others with NORNICDB_CLUSTER_RAFT_BOOTSTRAP=false and take them in with nornicctl member add",
      },
    );
  }
  // A restored copy, which has no entries of its own, may be a head start for a new member.
  if (bootstrap || last.index === base.index) return;
  throw new ReplicationError("INVALID", `${what}; joining one would throw it away`, {
    field: "NORNICDB_CLUSTER_RAFT_BOOTSTRAP",
    hint: "set it to true to found a cluster with this data, or give the node an empty directory",
  });
}

/** A standby's entries must be the primary's: those of another history cannot be told from them. */
function checkPair(startsAsPrimary: boolean, directory: string, log: LogStore): void {
  const { last, base, hardState } = log;
  if (startsAsPrimary || hardState.epoch > 0 || last.index === base.index) return;
  throw new ReplicationError(
    "INVALID",
    `${directory} has data up to entry ${last.index} that is of no pair; a standby would throw it away`,
    {
      field: "NORNICDB_CLUSTER_HA_ROLE",
      hint: "set it to primary on the node whose data counts, or give the standby an empty directory",
    },
  );
}

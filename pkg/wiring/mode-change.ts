import { ReplicationError } from "../replication/index.js";
import type { LogStore } from "../replication/ports/index.js";
import { MembersFile } from "../replication/raft/index.js";
import type { FileSystem } from "../runtime/index.js";
import { addressAsName } from "./ha-setup.js";
import type { StoredIdentity } from "./node-identity.js";
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
    if (isMember) {
      throw wrongMode(
        `${directory} is of ${identity.nodeId}, a member of cluster ${identity.clusterId}; alone it would write a history that the cluster does not know`,
        "raft; to go on without the cluster, nornicctl snapshot save FILE on a running member",
      );
    }
    const role = pairRole(ha?.settings.own.address ?? "", identity, log);
    if (ha !== undefined) checkPair(ha.settings.startsAsPrimary || role !== "none", directory, log);
    else if (role !== "none") {
      throw wrongMode(
        `${directory} is of ${identity.nodeId}, one of a primary and its standbys; alone it would write entries that look like those of the others`,
        "ha_standby, or to raft to go on as a cluster; to go on alone, nornicctl snapshot save FILE on the primary",
      );
    }
    return;
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
  const role = pairRole(raft.settings.address, identity, log);
  if (bootstrap && (role === "standby" || role === "unclear")) {
    const { votedFor, term } = log.hardState;
    throw new ReplicationError(
      "INVALID",
      `${directory} is not the primary's of epoch ${term}, which is that of ${votedFor ?? "another node"}; a cluster founded here could lack what the primary has`,
      {
        field: "NORNICDB_CLUSTER_RAFT_BOOTSTRAP",
        hint: "found the cluster on the node that was primary last: stop the standbys first, then the primary, so that nobody is promoted; if it is gone, start this one as ha_standby, promote it and stop it",
      },
    );
  }
  // A restored copy, which has no entries of its own, may be a head start for a new member, and so
  // may a standby's, whose entries are the beginning of its primary's.
  if (bootstrap || last.index === base.index || role === "standby") return;
  throw new ReplicationError("INVALID", `${what}; joining one would throw it away`, {
    field: "NORNICDB_CLUSTER_RAFT_BOOTSTRAP",
    hint: "set it to true to found a cluster with this data, or give the node an empty directory",
  });
}

/** A standby's entries must be the primary's: those of another history cannot be told from them. */
function checkPair(mayHaveEntries: boolean, directory: string, { last, base }: LogStore): void {
  if (mayHaveEntries || last.index === base.index) return;
  throw new ReplicationError(
    "INVALID",
    `${directory} has data up to entry ${last.index} that is of no pair; a standby would throw it away`,
    {
      field: "NORNICDB_CLUSTER_HA_ROLE",
      hint: "set it to primary on the node whose data counts, or give the standby an empty directory",
    },
  );
}

function wrongMode(message: string, right: string): ReplicationError {
  return new ReplicationError("INVALID", message, {
    field: "NORNICDB_CLUSTER_MODE",
    hint: `set it to ${right} and nornicctl snapshot restore FILE into an empty directory`,
  });
}

/**
 * What the node was in the last epoch it knows. `none`: it never had a primary, nor was one;
 * `standby`: it took entries of that epoch, so its log is the beginning of that primary's;
 * `unclear`: it has no entry of that epoch.
 */
function pairRole(
  address: string,
  { nodeId }: StoredIdentity,
  { hardState: { votedFor, term, epoch }, last }: LogStore,
): "none" | "primary" | "standby" | "unclear" {
  if (epoch === 0 || (votedFor === null && last.term === term)) return "none";
  if (votedFor === null || last.term !== term) return "unclear";
  // A node whose pair knows it by its address alone has that for a name there.
  return votedFor === nodeId || votedFor === addressAsName(address) ? "primary" : "standby";
}

import { type NodeId, parseNodeId } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";
import type { FileSystem, Random } from "../runtime/index.js";

const FILE = "node.json";
const FORMAT = 1;

export interface StoredIdentity {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** Made with the directory: a node that lost its disk is not the one its peers counted on. */
  readonly diskId: string;
}

/**
 * The identity that a data directory has for ever: given or generated at the first start, stored
 * durably before anything else, and from then on only confirmed.
 * @throws ReplicationError `INVALID` when the directory belongs to another node or cluster (FC-050)
 */
export async function settleIdentity(
  wanted: { readonly nodeId: string | null; readonly clusterId: string },
  directory: string,
  { fileSystem, random }: { readonly fileSystem: FileSystem; readonly random: Random },
): Promise<StoredIdentity> {
  await fileSystem.makeDirectory(directory);
  const path = `${directory}/${FILE}`;
  if (fileSystem.exists(path)) return confirm(wanted, readIdentity(fileSystem, path), path);
  const nodeId = parseNodeId(
    wanted.nodeId ?? `node-${Buffer.from(random.bytes(4)).toString("hex")}`,
  );
  if (nodeId === undefined) {
    throw new ReplicationError(
      "INVALID",
      `node id ${JSON.stringify(wanted.nodeId)} is not a name`,
      {
        field: "NORNICDB_CLUSTER_NODE_ID",
        hint: "use 1 to 128 letters, digits, dots, dashes or underscores",
      },
    );
  }
  const diskId = Buffer.from(random.bytes(8)).toString("hex");
  const identity = { nodeId, clusterId: wanted.clusterId, diskId };
  await writeIdentity(fileSystem, directory, identity);
  return identity;
}

function confirm(
  wanted: { readonly nodeId: string | null; readonly clusterId: string },
  stored: StoredIdentity,
  path: string,
): StoredIdentity {
  if (wanted.nodeId !== null && wanted.nodeId !== stored.nodeId) {
    throw new ReplicationError(
      "INVALID",
      `${path} belongs to node ${stored.nodeId}, but the configuration says ${wanted.nodeId}`,
      {
        field: "NORNICDB_CLUSTER_NODE_ID",
        hint: "set the stored id, or use another data directory",
      },
    );
  }
  if (wanted.clusterId !== stored.clusterId) {
    throw new ReplicationError(
      "INVALID",
      `${path} belongs to cluster ${stored.clusterId}, but the configuration says ${wanted.clusterId}`,
      {
        field: "NORNICDB_CLUSTER_RAFT_CLUSTER_ID",
        hint: "set the stored id, or use another data directory",
      },
    );
  }
  return stored;
}

function readIdentity(fileSystem: FileSystem, path: string): StoredIdentity {
  const file = fileSystem.open(path, "read");
  try {
    const bytes = new Uint8Array(Math.min(file.sizeBytes(), 64 * 1024));
    file.read(bytes, 0);
    const stored = JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown>;
    const nodeId = typeof stored.node_id === "string" ? parseNodeId(stored.node_id) : undefined;
    const { format, cluster_id: clusterId, disk_id: diskId } = stored;
    const known = typeof clusterId === "string" && typeof diskId === "string" && diskId !== "";
    if (format === FORMAT && nodeId !== undefined && known) return { nodeId, clusterId, diskId };
    throw new Error(`format ${String(stored.format)}`);
  } catch (cause) {
    throw new ReplicationError(
      "INVALID",
      `${path} is not an identity that this version can read`,
      {
        hint: "put the file back from a backup, or restore the node: nornicctl snapshot restore FILE --force",
      },
      { cause },
    );
  } finally {
    file.close();
  }
}

async function writeIdentity(
  fileSystem: FileSystem,
  directory: string,
  identity: StoredIdentity,
): Promise<void> {
  const temporary = `${directory}/${FILE}.tmp`;
  if (fileSystem.exists(temporary)) fileSystem.remove(temporary);
  const file = fileSystem.open(temporary, "create");
  const text = {
    format: FORMAT,
    node_id: identity.nodeId,
    cluster_id: identity.clusterId,
    disk_id: identity.diskId,
  };
  file.write(Buffer.from(`${JSON.stringify(text)}\n`), 0);
  await file.sync();
  file.close();
  fileSystem.rename(temporary, `${directory}/${FILE}`);
  await fileSystem.syncDirectory(directory);
}

import path from "node:path";
import { freePort } from "./processes.js";

/** The environment of each member of a cluster on this machine that founds itself. */
export async function memberSettings(
  directory: string,
  count: number,
): Promise<Record<string, string>[]> {
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  const peers = ports.map((port, at) => `n${at + 1}:127.0.0.1:${port}`).join(",");
  return ports.map((port, at) => {
    const dataDir = path.join(directory, `n${at + 1}`);
    return {
      NORNICDB_CLUSTER_MODE: "raft",
      NORNICDB_CLUSTER_NODE_ID: `n${at + 1}`,
      NORNICDB_CLUSTER_BIND_ADDR: `127.0.0.1:${port}`,
      NORNICDB_CLUSTER_RAFT_PEERS: peers,
      NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
      NORNICDB_DATA_DIR: dataDir,
      NORNICDB_CLUSTER_DATA_DIR: path.join(dataDir, "replication"),
    };
  });
}

import path from "node:path";

/** Where a node keeps what; the two folders may be on different disks. */
export interface DataFolders {
  /** `NORNICDB_DATA_DIR`. */
  readonly dataDir: string;
  /** `NORNICDB_CLUSTER_DATA_DIR`. */
  readonly replicationDir: string;
}

export const databaseFile = ({ dataDir }: Pick<DataFolders, "dataDir">): string =>
  path.join(dataDir, "graph.db");

export const logFolder = ({ replicationDir }: Pick<DataFolders, "replicationDir">): string =>
  path.join(replicationDir, "wal");

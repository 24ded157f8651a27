import type { Config } from "../../pkg/config/index.js";
import { ReplicationError } from "../../pkg/replication/index.js";
import type { Logger } from "../../pkg/runtime/index.js";
import { systemTimers } from "../../pkg/runtime/node/index.js";
import {
  openRegionStorage,
  openSqliteStorage,
  type SqliteStorage,
} from "../../pkg/storage/index.js";
import { databaseFile } from "../../pkg/wiring/index.js";

/**
 * The storage of the configured mode.
 * @throws ReplicationError `INVALID` for a region's data in any other mode
 */
export async function openStorage(config: Config, logger: Logger): Promise<SqliteStorage> {
  const options = {
    path: databaseFile(config),
    threads: config.cluster.threads,
    clusterId: config.cluster.clusterId,
    timers: systemTimers,
    logger,
  };
  if (config.mode === "multi_region") return openRegionStorage(options);
  try {
    return await openSqliteStorage(options);
  } catch (error) {
    if (!(await isOfRegion(options.path, config))) throw error;
    throw new ReplicationError(
      "INVALID",
      `${options.path} is the data of a region; what mode ${config.mode} writes no other region would be told`,
      {
        field: "NORNICDB_CLUSTER_MODE",
        hint: "set it to multi_region; with NORNICDB_CLUSTER_REMOTE_REGIONS empty the region goes on alone",
      },
    );
  }
}

/** Only what could not be opened as a graph is asked: a graph would become a region's by it. */
async function isOfRegion(path: string, config: Config): Promise<boolean> {
  try {
    const { clusterId } = config.cluster;
    await (await openRegionStorage({ path, threads: "single", clusterId })).close();
    return true;
  } catch {
    return false;
  }
}

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { silentLogger } from "../../runtime/index.js";
import { STORAGE_LIMITS } from "../limits.js";
import type { WriterPortSource } from "../threads/state-machine-port.js";
import { SingleThreadStorage } from "./single-storage.js";
import { removeLeftovers } from "./snapshot-file.js";
import type { SqliteStorage, SqliteStorageOptions } from "./sqlite-storage.js";
import { WorkerStorage } from "./worker-storage.js";

/**
 * Opens or makes a storage. One opener a file at a time: whoever calls has the folder locked.
 * @throws StateMachineError `STORAGE_FAILED` naming what is wrong with the file
 */
export async function openSqliteStorage(
  options: SqliteStorageOptions & { readonly threads: "worker" },
): Promise<SqliteStorage & WriterPortSource>;
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage>;
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  mkdirSync(dirname(options.path), { recursive: true });
  removeLeftovers(options.path);
  const settings = {
    path: options.path,
    identity: {
      clusterId: options.clusterId,
      rememberedRequestsMax: options.rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax,
    },
    sizeBytesMax: options.sizeBytesMax,
  };
  if (options.threads === "worker") {
    return WorkerStorage.open({
      settings,
      logger: options.logger ?? silentLogger,
      timers: options.timers,
      onFailure: options.onFailure,
    });
  }
  return new SingleThreadStorage({
    ...settings,
    timers: options.timers,
    logger: options.logger ?? silentLogger,
    requestCheckpoint: undefined,
  });
}

import { type FileLock, silentLogger } from "../../runtime/index.js";
import { STORAGE_LIMITS } from "../limits.js";
import type { WriterPortSource } from "../threads/state-machine-port.js";
import { graphModel } from "./graph-model.js";
import { openFile } from "./open-file.js";
import { SingleThreadStorage } from "./single-storage.js";
import { SqliteReader } from "./sqlite-reader.js";
import type { SqliteStorage, SqliteStorageOptions } from "./sqlite-storage.js";
import { WorkerStorage } from "./worker-storage.js";

/**
 * Opens or makes a storage, which holds `<path>.lock` until it is closed.
 * @throws StateMachineError `STORAGE_FAILED` naming what is wrong with the file, or the process
 * that has it open
 */
export async function openSqliteStorage(
  options: SqliteStorageOptions & { readonly threads: "worker" },
): Promise<SqliteStorage & WriterPortSource>;
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage>;
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  return openFile(options.path, (lock) => openLocked(options, lock));
}

async function openLocked(options: SqliteStorageOptions, lock: FileLock): Promise<SqliteStorage> {
  const logger = options.logger ?? silentLogger;
  const settings = {
    path: options.path,
    identity: {
      model: graphModel.name,
      clusterId: options.clusterId,
      rememberedRequestsMax: options.rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax,
    },
    sizeBytesMax: options.sizeBytesMax,
  };
  if (options.threads === "worker") {
    const { timers, onFailure } = options;
    return WorkerStorage.open({ settings, lock, logger, timers, onFailure });
  }
  const { rememberedRequestsMax } = settings.identity;
  return new SingleThreadStorage(
    {
      ...settings,
      model: graphModel,
      timers: options.timers,
      logger,
      requestCheckpoint: undefined,
      newReader: (connection) => new SqliteReader(connection, rememberedRequestsMax),
    },
    lock,
  );
}

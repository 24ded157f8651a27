import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { StateMachineError } from "../../replication/ports/index.js";
import { type FileLock, silentLogger } from "../../runtime/index.js";
import { nodeFileSystem } from "../../runtime/node/index.js";
import { STORAGE_LIMITS } from "../limits.js";
import type { WriterPortSource } from "../threads/state-machine-port.js";
import { SingleThreadStorage } from "./single-storage.js";
import { removeLeftovers } from "./snapshot-file.js";
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
  mkdirSync(dirname(options.path), { recursive: true });
  const lock = takeLock(options.path);
  try {
    removeLeftovers(options.path);
    return await openLocked(options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openLocked(options: SqliteStorageOptions, lock: FileLock): Promise<SqliteStorage> {
  const logger = options.logger ?? silentLogger;
  const settings = {
    path: options.path,
    identity: {
      clusterId: options.clusterId,
      rememberedRequestsMax: options.rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax,
    },
    sizeBytesMax: options.sizeBytesMax,
  };
  if (options.threads === "worker") {
    const { timers, onFailure } = options;
    return WorkerStorage.open({ settings, lock, logger, timers, onFailure });
  }
  return new SingleThreadStorage(
    { ...settings, timers: options.timers, logger, requestCheckpoint: undefined },
    lock,
  );
}

function takeLock(path: string): FileLock {
  try {
    return nodeFileSystem().lock(`${path}.lock`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StateMachineError(
      "STORAGE_FAILED",
      `${path} is in use or cannot be locked: ${reason}`,
      { cause },
    );
  }
}

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { Awaitable } from "../../base/index.js";
import { StateMachineError } from "../../replication/ports/index.js";
import type { FileLock } from "../../runtime/index.js";
import { nodeFileSystem } from "../../runtime/node/index.js";
import { removeLeftovers } from "./snapshot-file.js";

/**
 * Takes `<path>.lock` for whoever opens the file, and gives it back when that fails.
 * @throws StateMachineError `STORAGE_FAILED` naming the process that has it open
 */
export async function openFile<T>(
  path: string,
  open: (lock: FileLock) => Awaitable<T>,
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const lock = takeLock(path);
  try {
    removeLeftovers(path);
    return await open(lock);
  } catch (error) {
    lock.release();
    throw error;
  }
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

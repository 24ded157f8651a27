import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { StateMachineError } from "../../replication/ports/index.js";

/** Free space below which a failed write is put down to a full disk. */
const FULL_BYTES = 1024 * 1024;

/** What SQLite threw, in the words of the port. */
export function toStateMachineError(error: unknown, path: string): unknown {
  const code = (error as { readonly code?: unknown } | null)?.code;
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return error;
  const isFull = code === "SQLITE_FULL" || (code.startsWith("SQLITE_IOERR") && isDiskFull(path));
  const message = `${path}: ${error instanceof Error ? error.message : code} (${code})`;
  return new StateMachineError(isFull ? "STORAGE_FULL" : "STORAGE_FAILED", message, {
    cause: error,
  });
}

function isDiskFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize < FULL_BYTES;
  } catch {
    return false;
  }
}

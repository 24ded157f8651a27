import Database from "better-sqlite3";
import { StateMachineError } from "../../replication/ports/index.js";

export type Connection = Database.Database;
export type Statement = Database.Statement<unknown[]>;

/** Two connections on one WAL file are safe from here on: older ones may corrupt it (FC-049). */
const VERSION_MIN = [3, 51, 3] as const;

/** Of each connection, and a node has three. */
const CACHE_KIB = 4 * 1024;
/** Mapped pages made nothing faster, and each connection's would be part of what a node weighs. */
const MMAP_BYTES = 0;
const BUSY_MS = 5_000;

/** Set at every open and read back: a new file and a reopened one have different defaults. */
const PRAGMAS: Readonly<Record<string, string | number>> = {
  journal_mode: "wal",
  synchronous: 1,
  wal_autocheckpoint: 0,
  foreign_keys: 0,
  cache_size: -CACHE_KIB,
  mmap_size: MMAP_BYTES,
  temp_store: 2,
};

/**
 * Opens the file with every pragma as it must be.
 * @throws StateMachineError `STORAGE_FAILED` when SQLite is too old or a pragma did not take
 */
export function openConnection(path: string, mode: "write" | "read"): Connection {
  const connection = new Database(path, { readonly: mode === "read", timeout: BUSY_MS });
  try {
    const version = connection.prepare("SELECT sqlite_version()").pluck().get() as string;
    checkSqliteVersion(version);
    for (const [name, value] of Object.entries(PRAGMAS)) {
      if (mode === "write" || name !== "journal_mode") connection.pragma(`${name} = ${value}`);
      const actual = connection.pragma(name, { simple: true });
      if (actual !== value) {
        throw new StateMachineError(
          "STORAGE_FAILED",
          `${path}: pragma ${name} is ${String(actual)}, it must be ${value}`,
        );
      }
    }
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** @throws StateMachineError `STORAGE_FAILED` when it is too old, the loader's error when it is not there */
export function sqliteVersion(): string {
  const connection = new Database(":memory:");
  try {
    const version = connection.prepare("SELECT sqlite_version()").pluck().get() as string;
    checkSqliteVersion(version);
    return version;
  } finally {
    connection.close();
  }
}

/** @throws StateMachineError `STORAGE_FAILED` for one that may corrupt a shared WAL file */
export function checkSqliteVersion(version: string): void {
  const parts = version.split(".").map(Number);
  for (const [i, least] of VERSION_MIN.entries()) {
    const part = parts[i] ?? 0;
    if (part > least) return;
    if (part < least) {
      throw new StateMachineError(
        "STORAGE_FAILED",
        `SQLite ${version} is too old, ${VERSION_MIN.join(".")} is needed; install the better-sqlite3 that package.json asks for`,
      );
    }
  }
}

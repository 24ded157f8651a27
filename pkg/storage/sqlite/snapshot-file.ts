import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Position } from "../../base/index.js";
import { type SnapshotReader, StateMachineError } from "../../replication/ports/index.js";
import { type Connection, openConnection } from "./connection.js";
import { identityProblem, readState, type StoreIdentity, storedModel } from "./schema.js";

const CHUNK_BYTES = 1024 * 1024;

/** Where a copy is written, and where an incoming one gathers; both beside the database. */
export function snapshotPath(path: string, number: number): string {
  return `${path}.snapshot-${number}`;
}

export function restorePath(path: string): string {
  return `${path}.restoring`;
}

/** Removes what a crash left behind; such files are never read. */
export function removeLeftovers(path: string): void {
  const folder = dirname(path);
  const name = basename(path);
  for (const file of readdirSync(folder)) {
    if (file.startsWith(`${name}.snapshot-`) || file.startsWith(`${name}.restoring`)) {
      rmSync(join(folder, file));
    }
  }
}

/** Copies what is committed to a new file, while others go on writing. */
export function copyDatabase(connection: Connection, target: string): Position {
  rmSync(target, { force: true });
  connection.prepare("VACUUM INTO ?").run(target);
  const copy = openConnection(target, "write");
  try {
    const state = readState(copy);
    if (state === undefined) throw new StateMachineError("STORAGE_FAILED", "nothing to copy yet");
    copy.pragma("journal_mode = delete");
    return state.position;
  } finally {
    copy.close();
  }
}

/** Reads a copy in chunks; closing removes it. */
export function openSnapshot(file: string, position: Position): SnapshotReader {
  return {
    position,
    sizeBytes: statSync(file).size,
    chunks: () => readChunks(file),
    close: () => rm(file, { force: true }),
  };
}

async function* readChunks(file: string): AsyncIterable<Uint8Array> {
  const handle = await open(file, "r");
  try {
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES);
      if (bytesRead === 0) return;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Writes an incoming copy to disk, durably. */
export async function receiveSnapshot(
  chunks: AsyncIterable<Uint8Array>,
  target: string,
): Promise<void> {
  const handle = await open(target, "w");
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * @param growsFrom - a model of which a copy will do as well: opening makes it into one of ours
 * @throws StateMachineError `SNAPSHOT_INVALID` saying why the copy cannot be used
 */
export function checkSnapshot(file: string, identity: StoreIdentity, growsFrom?: string): void {
  const problem = snapshotProblem(file, identity, growsFrom);
  if (problem !== undefined) throw new StateMachineError("SNAPSHOT_INVALID", problem);
}

function snapshotProblem(
  file: string,
  identity: StoreIdentity,
  growsFrom: string | undefined,
): string | undefined {
  try {
    const copy = openConnection(file, "write");
    try {
      const check = copy.pragma("quick_check(1)", { simple: true });
      if (check !== "ok") return `the snapshot is damaged: ${String(check)}`;
      const problem =
        growsFrom !== undefined && storedModel(copy) === growsFrom
          ? identityProblem(copy, { ...identity, model: growsFrom })
          : identityProblem(copy, identity);
      if (problem !== undefined) return problem;
      copy.pragma("journal_mode = delete");
      return readState(copy) === undefined ? "the snapshot holds no state" : undefined;
    } finally {
      copy.close();
    }
  } catch (error) {
    return `the snapshot is not a database: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Puts the checked copy in the place of the database, which everyone has closed: its -wal file was
 * emptied into it, so that a crash before the rename leaves the old state whole and one after it
 * the new one, and no old -wal file meets a new database.
 */
export function installSnapshot(file: string, path: string): void {
  syncPath(file);
  for (const side of ["-wal", "-shm"]) rmSync(`${path}${side}`, { force: true });
  syncPath(dirname(path));
  renameSync(file, path);
  syncPath(dirname(path));
}

function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The disk as the log and the snapshots need it. Failures keep Node's `code` (`ENOSPC`, `EIO`,
 * `ENOENT`, …). Writing goes to the page cache; only `sync` and `syncDirectory` make it durable,
 * and what was not synced may be lost, torn or reordered by a power cut.
 */
export interface FileSystem {
  /** `create` fails with `EEXIST` on an existing file; `write` and `read` with `ENOENT` on none. */
  open(path: string, mode: "read" | "write" | "create"): File;
  /** Makes the folder and its parents and makes their names durable; an existing one is fine. */
  makeDirectory(path: string): Promise<void>;
  /** Names in the folder, sorted. */
  list(path: string): string[];
  exists(path: string): boolean;
  /** Atomic replacement of `to`. Durable after `syncDirectory` of the folder. */
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** `fsync` of the folder: creations, renames and removals in it are durable on return. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes that an unprivileged process may still write to the volume that holds `path`. */
  freeBytes(path: string): number;
  /**
   * Takes the file at `path` (made if missing) as an exclusive lock of this process.
   * @throws Error code `ELOCKED` while a live process (also this one) holds it, naming its pid
   */
  lock(path: string): FileLock;
}

export interface FileLock {
  release(): void;
}

export interface File {
  readonly path: string;
  sizeBytes(): number;
  /** Fills `target` from `position`; fewer bytes than asked only at the end of the file. */
  read(target: Uint8Array, position: number): number;
  /**
   * Writes all of `source` at `position`.
   * @throws the system's error; then a prefix of `source` may have been written
   */
  write(source: Uint8Array, position: number): void;
  truncate(sizeBytes: number): void;
  /** `fdatasync`: what was written before this call is durable on return. Calls may overlap. */
  sync(): Promise<void>;
  /** Idempotent. */
  close(): void;
}

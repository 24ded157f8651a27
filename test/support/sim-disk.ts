import { posix } from "node:path";
import type { File, FileLock, FileSystem } from "../../pkg/runtime/index.js";
import type { SeededRandom } from "./seeded-random.js";
import { SimFolders } from "./sim-folders.js";
import { type CrashChances, SimInode } from "./sim-inode.js";
import type { VirtualTime } from "./virtual-time.js";

export interface SimDiskOptions {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  /** Room for the content of all files; without it there is always enough. */
  readonly capacityBytes?: number;
}

/** How often each fault really took effect. */
export type DiskHits = Record<
  | "crash_lost_data"
  | "crash_lost_name"
  | "crash_kept_all"
  | "kill"
  | "write_failed"
  | "read_failed"
  | "disk_full"
  | "sync_failed"
  | "sync_failed_lost_data"
  | "sync_stalled"
  | "bit_flipped",
  number
>;

type Failing = "write" | "read" | "sync" | "directorySync";

const ROOMY_BYTES = 2 ** 50;
const CHANCES: CrashChances = { keepPercent: 50, tornPercent: 10 };

/**
 * A disk with a page cache that a power cut empties. Paths are absolute. It is the file system of
 * one machine; after `crash` or `kill` every file handle and lock of the ended process is dead, and
 * syncs under way never come back, just as the code that waited for them.
 */
export class SimDisk implements FileSystem {
  readonly hits: DiskHits = {
    crash_lost_data: 0,
    crash_lost_name: 0,
    crash_kept_all: 0,
    kill: 0,
    write_failed: 0,
    read_failed: 0,
    disk_full: 0,
    sync_failed: 0,
    sync_failed_lost_data: 0,
    sync_stalled: 0,
    bit_flipped: 0,
  };
  /** How long each sync takes, in milliseconds of virtual time; with 0 it needs no event. */
  syncDelayMs = 0;
  capacityBytes: number;
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #folders = new SimFolders();
  readonly #locks = new Set<string>();
  #generation = 0;
  #failures: Partial<Record<Failing, string>> = {};
  #stalled: (() => void)[] | undefined;

  constructor(options: SimDiskOptions) {
    this.#time = options.time;
    this.#random = options.random;
    this.capacityBytes = options.capacityBytes ?? ROOMY_BYTES;
  }

  get generation(): number {
    return this.#generation;
  }

  open(path: string, mode: "read" | "write" | "create"): File {
    const full = normal(path);
    let inode = this.#folders.get(full);
    if (inode === "folder") throw failure("EISDIR", "open", full);
    if (mode === "create") {
      if (inode) throw failure("EEXIST", "open", full);
      this.#requireFolder(posix.dirname(full), "open");
      inode = new SimInode();
      this.#folders.link(full, inode);
      this.#time.trace.note("disk.create", full);
    }
    if (!inode) throw failure("ENOENT", "open", full);
    return this.#handle(full, inode, mode === "read");
  }

  async makeDirectory(path: string): Promise<void> {
    const full = normal(path);
    this.#makeFolders(full);
    for (let child = full; child !== "/"; child = posix.dirname(child)) {
      await this.syncDirectory(posix.dirname(child));
    }
  }

  #makeFolders(full: string): void {
    if (this.#folders.get(full) === "folder") return;
    if (this.#folders.get(full)) throw failure("EEXIST", "mkdir", full);
    this.#makeFolders(posix.dirname(full));
    this.#folders.link(full, "folder");
  }

  list(path: string): string[] {
    const full = normal(path);
    this.#requireFolder(full, "scandir");
    return this.#folders.names(full);
  }

  exists(path: string): boolean {
    return this.#folders.get(normal(path)) !== undefined;
  }

  rename(from: string, to: string): void {
    const source = normal(from);
    const target = normal(to);
    const entry = this.#folders.get(source);
    if (!entry) throw failure("ENOENT", "rename", source);
    if (entry === "folder" || this.#folders.get(target) === "folder") {
      throw failure("ENOSYS", "rename of folders", source);
    }
    this.#requireFolder(posix.dirname(target), "rename");
    this.#folders.rename(source, target, entry);
    this.#time.trace.note("disk.rename", source, target);
  }

  remove(path: string): void {
    const full = normal(path);
    const entry = this.#folders.get(full);
    if (!entry) throw failure("ENOENT", "unlink", full);
    if (entry === "folder") throw failure("EISDIR", "unlink", full);
    this.#folders.unlink(full);
    this.#time.trace.note("disk.remove", full);
  }

  async syncDirectory(path: string): Promise<void> {
    const full = normal(path);
    this.#requireFolder(full, "fsync");
    const mark = this.#folders.mark;
    await this.#syncTime();
    const code = this.#takeFailure("directorySync");
    if (code) throw this.#hit("sync_failed", failure(code, "fsync", full));
    this.#folders.makeDurable(full, mark);
    this.#time.trace.note("disk.syncDirectory", full, mark);
  }

  freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes());
  }

  lock(path: string): FileLock {
    const full = normal(path);
    if (this.#locks.has(full)) {
      throw Object.assign(new Error(`${full} is locked by the process with pid 1`), {
        code: "ELOCKED",
      });
    }
    if (!this.exists(full)) this.open(full, "create").close();
    this.#locks.add(full);
    const generation = this.#generation;
    return {
      release: () => {
        if (generation === this.#generation) this.#locks.delete(full);
      },
    };
  }

  /** The next write puts a random prefix down, then fails. */
  failNextWrite(code: string): void {
    this.#failures.write = code;
  }

  failNextRead(code: string): void {
    this.#failures.read = code;
  }

  /** The next `File.sync` fails; what it was to write is lost to later syncs as well (FC-035). */
  failNextSync(code: string): void {
    this.#failures.sync = code;
  }

  failNextDirectorySync(code: string): void {
    this.#failures.directorySync = code;
  }

  /** What was to fail next will not. */
  forgetFailures(): void {
    this.#failures = {};
  }

  /** Syncs hang from now on, until `unstall`. */
  stall(): void {
    this.#stalled ??= [];
  }

  unstall(): void {
    const waiting = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const go of waiting) this.#time.soon(go);
  }

  /** Turns one bit round on the medium; no reader is told. */
  corrupt(path: string, offset: number, bit: number): void {
    const full = normal(path);
    const entry = this.#folders.get(full);
    if (!entry || entry === "folder") throw failure("ENOENT", "corrupt", full);
    if (offset >= entry.sizeBytes) throw failure("EINVAL", `corrupt at ${offset}`, full);
    entry.flip(offset, bit);
    this.hits.bit_flipped += 1;
  }

  /** The power goes. What was synced stays; of the rest each part by chance. */
  crash(chances: Partial<CrashChances> = {}): void {
    const odds = { ...CHANCES, ...chances };
    this.#endProcess();
    const lostNames = this.#folders.crash(this.#random, odds);
    let lostData = 0;
    for (const [, inode] of this.#folders.files()) {
      if (inode.crash(this.#random, odds)) lostData += 1;
    }
    if (lostNames > 0) this.hits.crash_lost_name += 1;
    if (lostData > 0) this.hits.crash_lost_data += 1;
    if (lostNames + lostData === 0) this.hits.crash_kept_all += 1;
    this.#time.trace.note("disk.crash", this.#generation, lostNames, lostData);
  }

  /** The process ends, the machine stays up: handles and locks are gone, the page cache is not. */
  kill(): void {
    this.#endProcess();
    this.hits.kill += 1;
  }

  /** Copies of all files as a reader sees them now, by path. */
  snapshotFiles(): Map<string, Uint8Array> {
    return new Map(this.#folders.files().map(([path, inode]) => [path, inode.view.slice()]));
  }

  /** Copies of all files as they are after a crash that keeps nothing but what was synced. */
  syncedFiles(): Map<string, Uint8Array> {
    return new Map(
      this.#folders.syncedFiles().map(([path, inode]) => [path, inode.synced.slice()]),
    );
  }

  #endProcess(): void {
    this.#generation += 1;
    this.#locks.clear();
    this.#stalled = undefined;
    this.#failures = {};
  }

  #handle(path: string, inode: SimInode, readOnly: boolean): File {
    const generation = this.#generation;
    let closed = false;
    const check = (call: string) => {
      if (closed || generation !== this.#generation) throw failure("EBADF", call, path);
    };
    return {
      path,
      sizeBytes: () => {
        check("fstat");
        return inode.sizeBytes;
      },
      read: (target, position) => {
        check("read");
        const code = this.#takeFailure("read");
        if (code) throw this.#hit("read_failed", failure(code, "read", path));
        const part = inode.view.subarray(position, position + target.length);
        target.set(part);
        return part.length;
      },
      write: (source, position) => {
        check("write");
        if (readOnly) throw failure("EBADF", "write", path);
        this.#write(path, inode, source, position);
      },
      truncate: (sizeBytes) => {
        check("ftruncate");
        if (readOnly) throw failure("EINVAL", "ftruncate", path);
        this.#time.trace.note("disk.truncate", path, sizeBytes);
        inode.truncate(sizeBytes);
      },
      sync: async () => {
        check("fdatasync");
        await this.#sync(path, inode);
      },
      close: () => {
        closed = true;
      },
    };
  }

  #write(path: string, inode: SimInode, source: Uint8Array, position: number): void {
    this.#time.trace.noteBytes(`disk.write ${path} ${position}`, source);
    const code = this.#takeFailure("write");
    if (code) {
      inode.write(source.subarray(0, this.#random.below(source.length + 1)), position);
      throw this.#hit("write_failed", failure(code, "write", path));
    }
    const growth = Math.max(0, position + source.length - inode.sizeBytes);
    const missing = growth - this.freeBytes();
    if (missing > 0) {
      const fits = Math.max(0, source.length - missing);
      if (fits > 0) inode.write(source.subarray(0, fits), position);
      throw this.#hit("disk_full", failure("ENOSPC", "write", path));
    }
    inode.write(source, position);
  }

  async #sync(path: string, inode: SimInode): Promise<void> {
    const mark = inode.mark;
    await this.#syncTime();
    const code = this.#takeFailure("sync");
    if (code) {
      if (inode.failSync(mark, this.#random, CHANCES)) this.hits.sync_failed_lost_data += 1;
      throw this.#hit("sync_failed", failure(code, "fdatasync", path));
    }
    inode.makeDurable(mark);
    this.#time.trace.note("disk.sync", path, mark);
  }

  /** Resolves when a sync that starts now is over, or never if the process ends before. */
  #syncTime(): Promise<void> {
    if (this.syncDelayMs === 0 && !this.#stalled) return Promise.resolve();
    const generation = this.#generation;
    return new Promise((resolve) => {
      const finish = () => {
        if (generation !== this.#generation) return;
        if (this.#stalled) {
          this.hits.sync_stalled += 1;
          this.#stalled.push(finish);
        } else resolve();
      };
      this.#time.after(this.syncDelayMs, finish);
    });
  }

  #usedBytes(): number {
    return this.#folders.files().reduce((sum, [, inode]) => sum + inode.sizeBytes, 0);
  }

  #requireFolder(path: string, call: string): void {
    const entry = this.#folders.get(path);
    if (!entry) throw failure("ENOENT", call, path);
    if (entry !== "folder") throw failure("ENOTDIR", call, path);
  }

  #takeFailure(kind: Failing): string | undefined {
    const code = this.#failures[kind];
    delete this.#failures[kind];
    return code;
  }

  #hit(kind: keyof DiskHits, error: Error): Error {
    this.hits[kind] += 1;
    return error;
  }
}

function normal(path: string): string {
  return posix.resolve("/", path);
}

function failure(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${path}' (simulated)`), { code });
}

import {
  closeSync,
  existsSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import type { File, FileSystem } from "../file-system.js";
import { takeFileLock } from "./file-lock.js";
import { hasCode, systemError } from "./system-error.js";

const FLAGS = { read: "r", write: "r+", create: "wx+" } as const;

/**
 * The disk of this machine. Reads and writes are synchronous and go to the page cache; syncs run
 * on libuv's pool, so that the loop goes on meanwhile.
 */
export function nodeFileSystem(): FileSystem {
  return {
    open: (path, mode) => new NodeFile(path, openSync(path, FLAGS[mode], 0o600)),
    makeDirectory,
    list: (path) => readdirSync(path).sort(),
    exists: (path) => existsSync(path),
    rename: (from, to) => renameSync(from, to),
    remove: (path) => unlinkSync(path),
    syncDirectory,
    freeBytes(path) {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    lock: takeFileLock,
  };
}

/**
 * Also an existing folder may have a name that only the page cache knows, of a process that was
 * killed between making and syncing it; so all parents are synced, but for those of others.
 */
async function makeDirectory(path: string): Promise<void> {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  for (let child = resolve(path); child !== dirname(child); child = dirname(child)) {
    await syncDirectory(dirname(child)).catch((error: unknown) => {
      if (!hasCode(error, "EACCES") && !hasCode(error, "EPERM")) throw error;
    });
  }
}

async function syncDirectory(path: string): Promise<void> {
  const fd = openSync(path, "r");
  try {
    await new Promise<void>((done, fail) => {
      fsync(fd, (error) => (error ? fail(error) : done()));
    });
  } finally {
    closeSync(fd);
  }
}

class NodeFile implements File {
  readonly path: string;
  readonly #fd: number;
  #closed = false;
  #syncs = 0;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  sizeBytes(): number {
    return fstatSync(this.#open()).size;
  }

  read(target: Uint8Array, position: number): number {
    const fd = this.#open();
    let done = 0;
    while (done < target.length) {
      const count = readSync(fd, target, done, target.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(source: Uint8Array, position: number): void {
    const fd = this.#open();
    let done = 0;
    while (done < source.length) {
      const count = writeSync(fd, source, done, source.length - done, position + done);
      if (count === 0) throw systemError("EIO", `write: no byte was taken, '${this.path}'`);
      done += count;
    }
  }

  truncate(sizeBytes: number): void {
    ftruncateSync(this.#open(), sizeBytes);
  }

  async sync(): Promise<void> {
    const fd = this.#open();
    this.#syncs += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        fdatasync(fd, (error) => (error ? reject(error) : resolve()));
      });
    } finally {
      this.#syncs -= 1;
      if (this.#closed && this.#syncs === 0) closeSync(fd);
    }
  }

  /** The descriptor outlives a sync under way: its number must not be given to another file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncs === 0) closeSync(this.#fd);
  }

  #open(): number {
    if (this.#closed) throw systemError("EBADF", `the file is closed, '${this.path}'`);
    return this.#fd;
  }
}

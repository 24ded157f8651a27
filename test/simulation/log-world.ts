import { type LogIndex, type NodeId, type Term, toLogIndex, toTerm } from "../../pkg/base/index.js";
import type { Entry, HardState } from "../../pkg/replication/ports/index.js";
import {
  type File,
  type FileSystem,
  type Logger,
  noMetrics,
  silentLogger,
} from "../../pkg/runtime/index.js";
import { openSegmentedLog, type SegmentedLog } from "../../pkg/storage/log/index.js";
import { SimDisk, seededRandom, VirtualTime } from "../support/index.js";

export const DIRECTORY = "/data/log";

export interface World {
  readonly disk: SimDisk;
  readonly time: VirtualTime;
}

export function newWorld(seed: number | string): World {
  const random = seededRandom(seed);
  const time = new VirtualTime();
  return { disk: new SimDisk({ time, random: random.fork("disk") }), time };
}

export function openLog(
  world: World,
  options: {
    fileSystem?: FileSystem;
    segmentBytesMax?: number;
    logger?: Logger;
    clusterId?: string;
    group?: number;
  } = {},
): Promise<SegmentedLog> {
  return openSegmentedLog({
    directory: DIRECTORY,
    fileSystem: world.disk,
    clock: world.time,
    logger: silentLogger,
    metrics: noMetrics,
    clusterId: "test-cluster",
    segmentBytesMax: 2_000,
    ...options,
  });
}

export function entry(index: number, term: number, text: string): Entry {
  return {
    index: toLogIndex(index),
    term: toTerm(term),
    kind: "command",
    payload: new TextEncoder().encode(text),
  };
}

export function hardState(
  term: number,
  commit: number,
  votedFor: string | null,
  epoch = 0,
): HardState {
  return { term: term as Term, commit: commit as LogIndex, votedFor: votedFor as NodeId, epoch };
}

/** What a log holds at one point of its history. `entries` begins right after `baseIndex`. */
export interface ModelState {
  readonly baseIndex: number;
  readonly entries: readonly Entry[];
  readonly hardState: HardState;
}

export const text = (e: Entry): string =>
  `${e.index}/${e.term}/${e.kind}/${Buffer.from(e.payload).toString("latin1")}`;

export function sameHardState(a: HardState, b: HardState): boolean {
  return (
    a.term === b.term && a.commit === b.commit && a.votedFor === b.votedFor && a.epoch === b.epoch
  );
}

/** @returns whether the log holds just this state, but for a dropped prefix */
export function holds(log: SegmentedLog, state: ModelState): boolean {
  const lastIndex = state.baseIndex + state.entries.length;
  if (log.last.index !== lastIndex || !sameHardState(log.hardState, state.hardState)) return false;
  if (log.base.index < state.baseIndex) return false;
  const expected = state.entries.slice(log.base.index - state.baseIndex);
  const found = log.read(log.firstIndex, log.last.index, Number.MAX_SAFE_INTEGER);
  return (
    found.length === expected.length &&
    found.every((e, i) => text(e) === text(expected[i] as Entry) && log.termAt(e.index) === e.term)
  );
}

/** Throws out of every call of the file system from the `crashAt`-th on; the power goes there. */
export function crashingFileSystem(
  disk: SimDisk,
  crashAt: number,
): { fileSystem: FileSystem; calls: () => number } {
  let calls = 0;
  const step = () => {
    calls += 1;
    if (calls === crashAt) disk.crash();
    if (calls >= crashAt) throw Object.assign(new Error("the machine is off"), { code: "EOFF" });
  };
  const wrapFile = (file: File): File => ({
    path: file.path,
    sizeBytes: () => file.sizeBytes(),
    read: (target, position) => file.read(target, position),
    write: (source, position) => {
      step();
      file.write(source, position);
    },
    truncate: (sizeBytes) => {
      step();
      file.truncate(sizeBytes);
    },
    sync: async () => {
      step();
      await file.sync();
      step();
    },
    close: () => file.close(),
  });
  const fileSystem: FileSystem = {
    open: (path, mode) => {
      if (mode === "create") step();
      return wrapFile(disk.open(path, mode));
    },
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    exists: (path) => disk.exists(path),
    rename: (from, to) => {
      step();
      disk.rename(from, to);
    },
    remove: (path) => {
      step();
      disk.remove(path);
    },
    syncDirectory: async (path) => {
      step();
      await disk.syncDirectory(path);
      step();
    },
    freeBytes: () => disk.freeBytes(),
    lock: (path) => disk.lock(path),
  };
  return { fileSystem, calls: () => calls };
}

/** The disk as it is, but that each file passes through `wrap`, which gets the mode it was opened in. */
export function withFiles(
  disk: SimDisk,
  wrap: (file: File, mode: "read" | "write" | "create") => Partial<File>,
): FileSystem {
  return {
    open: (path, mode) => {
      const file = disk.open(path, mode);
      return {
        path: file.path,
        sizeBytes: () => file.sizeBytes(),
        read: (target, position) => file.read(target, position),
        write: (source, position) => file.write(source, position),
        truncate: (sizeBytes) => file.truncate(sizeBytes),
        sync: () => file.sync(),
        close: () => file.close(),
        ...wrap(file, mode),
      };
    },
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    exists: (path) => disk.exists(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    freeBytes: () => disk.freeBytes(),
    lock: (path) => disk.lock(path),
  };
}

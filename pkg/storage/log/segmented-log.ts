import {
  invariant,
  type LogIndex,
  type Position,
  type Term,
  toLogIndex,
} from "../../base/index.js";
import {
  type Entry,
  type HardState,
  LogError,
  type LogOutline,
  type LogStore,
} from "../../replication/ports/index.js";
import type { Clock, FileLock, FileSystem, Logger, Metrics } from "../../runtime/index.js";
import {
  type ActiveSegment,
  beginAlone,
  beginSegment,
  type Opened,
  toSegment,
} from "./active-segment.js";
import { EntryReader } from "./entry-reader.js";
import { EntryTail } from "./entry-tail.js";
import { brokenError, closedError, isFull, toLogError } from "./failures.js";
import { encodeHardState, RECORD_TYPES } from "./format.js";
import { LOG_LIMITS } from "./limits.js";
import type { LogMap } from "./log-map.js";
import { type LogMeters, logMeters } from "./log-meters.js";
import { assertEntries, assertHardState } from "./preconditions.js";
import { RecordBatch } from "./record-batch.js";
import { SegmentAppend } from "./segment-append.js";
import { SyncQueue } from "./sync-queue.js";
import type { Identity, Segment } from "./walk-log.js";

export interface SegmentedLogOptions {
  /** Made if missing. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clusterId: string;
  /** Group of the log when a node has several; default 0. */
  readonly group?: number;
  /** A segment at least this large is closed at the next sync. */
  readonly segmentBytesMax?: number;
}

const EMPTY = new Uint8Array(0);

/** The durable log of one node on disk; see `LogStore` for what each call promises. */
export class SegmentedLog implements LogStore {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #meters: LogMeters;
  readonly #identity: Identity;
  readonly #segmentBytesMax: number;
  readonly #lock: FileLock;
  readonly #map: LogMap;
  readonly #tail = new EntryTail();
  readonly #reader: EntryReader;
  readonly #batch = new RecordBatch();
  /** Closed segments, oldest first. */
  #older: Segment[];
  #active: ActiveSegment;
  #hardState: HardState;
  #durable: number;
  /** What the sync under way will make durable; a truncation meanwhile lowers it. */
  #syncing = 0;
  readonly #syncs = new SyncQueue(() => this.#syncOnce());
  /** Nothing is accepted until a sync that began after the cut of a failed write is over. */
  #cutPending = false;
  #failure: LogError | undefined;
  #sealed: boolean;
  #closing: Promise<void> | undefined;
  #exclusive = false;

  constructor(options: SegmentedLogOptions, identity: Identity, lock: FileLock, opened: Opened) {
    this.#fileSystem = options.fileSystem;
    this.#directory = options.directory;
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#meters = logMeters(options.metrics);
    this.#identity = identity;
    this.#segmentBytesMax = options.segmentBytesMax ?? LOG_LIMITS.segmentBytes;
    this.#lock = lock;
    this.#map = opened.map;
    this.#older = opened.older;
    this.#active = opened.active;
    this.#hardState = opened.hardState;
    this.#durable = opened.map.lastIndex;
    this.#sealed = opened.sealed;
    this.#reader = new EntryReader(options.fileSystem, options.directory, (sequence) =>
      this.#nameOf(sequence),
    );
    this.#meters.position.set(this.#durable);
  }

  get firstIndex(): LogIndex {
    return toLogIndex(this.#map.base.index + 1);
  }
  get base(): Position {
    return this.#map.base;
  }
  get last(): Position {
    return this.#map.last;
  }
  get durableIndex(): LogIndex {
    return this.#durable as LogIndex;
  }
  get hardState(): HardState {
    return this.#hardState;
  }
  get sizeBytes(): number {
    return this.#older.reduce((sum, { sizeBytes }) => sum + sizeBytes, this.#active.sizeBytes);
  }

  append(entries: readonly Entry[]): void {
    this.#checkOpen();
    assertEntries(entries, this.#map.last, this.#active.sizeBytes);
    if (entries.length === 0) return;
    const offsets = this.#write((to) =>
      entries.map((e) => to.add(RECORD_TYPES[e.kind], e.index, e.term, e.payload)),
    );
    for (const [i, entry] of entries.entries()) {
      this.#map.add(this.#active.sequence, entry.index, entry.term, offsets[i] as number);
      if (entry.kind === "config") this.#map.markConfig();
      this.#tail.push(entry);
    }
  }

  saveHardState(state: HardState): void {
    this.#checkOpen();
    assertHardState(this.#hardState, state);
    const bytes = encodeHardState(state);
    this.#write((to) => to.add(RECORD_TYPES.hardState, state.commit, state.term, bytes));
    this.#hardState = { ...state };
  }

  sync(): Promise<LogIndex> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) return Promise.reject(closedError());
    invariant(!this.#exclusive, "nothing is synced while a reset is under way");
    return this.#syncs.request();
  }

  truncateSuffix(from: LogIndex): void {
    this.#checkOpen();
    const map = this.#map;
    invariant(from > this.#hardState.commit, "no committed entry is ever taken back");
    invariant(from > map.base.index, "only entries that are in the log can be cut");
    if (from > map.lastIndex) return;
    const termBefore = map.termAt(from - 1);
    invariant(termBefore !== undefined, "the entry before the cut is in the log or its base");
    this.#write((to) => to.add(RECORD_TYPES.truncate, from, termBefore, EMPTY));
    map.truncate(from, termBefore);
    this.#tail.truncate(from);
    this.#reader.forget();
    this.#durable = Math.min(this.#durable, from - 1);
    this.#syncing = Math.min(this.#syncing, from - 1);
  }

  async truncatePrefix(upTo: LogIndex): Promise<void> {
    this.#checkOpen();
    invariant(upTo <= this.#map.lastIndex, "only entries that are in the log can be dropped");
    if (this.#active.durableBytes === 0) await this.sync();
    const drop: Segment[] = [];
    for (const segment of this.#older) {
      if (this.#map.lastIndexIn(segment.sequence) > upTo) break;
      drop.push(segment);
    }
    if (drop.length === 0) return;
    this.#older = this.#older.slice(drop.length);
    this.#map.dropBelow((this.#older[0] ?? this.#active).sequence);
    this.#reader.forget();
    await this.#removeAll(drop);
    this.#logger.log("info", "wal_prefix_dropped", "old segments were removed", {
      segments: drop.length,
      firstIndex: this.#map.base.index + 1,
    });
  }

  async reset(base: Position, committed?: LogIndex): Promise<void> {
    this.#checkOpen();
    invariant(!this.#exclusive, "one reset at a time");
    if (this.#syncs.isRunning || this.#cutPending) await this.sync();
    this.#checkOpen();
    this.#exclusive = true;
    try {
      const old = this.#active;
      const commit = toLogIndex(Math.max(committed ?? this.#hardState.commit, base.index));
      const hardState = { ...this.#hardState, commit };
      this.#active = await beginAlone(this.#fileSystem, this.#directory, {
        identity: this.#identity,
        sequence: old.sequence + 1,
        base,
        previousBytes: 0,
        reset: true,
        hardState,
      });
      old.file.close();
      const drop = [...this.#older, toSegment(old)];
      this.#older = [];
      this.#hardState = hardState;
      this.#map.reset(base);
      this.#tail.clear();
      this.#reader.forget();
      this.#durable = base.index;
      this.#sealed = false;
      this.#meters.position.set(base.index);
      await this.#removeAll(drop);
    } catch (error) {
      if (error instanceof LogError && error.code === "LOG_FULL") throw error;
      throw this.#fail("the log could not be reset", error);
    } finally {
      this.#exclusive = false;
    }
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#map.termAt(index) as Term | undefined;
  }

  outline(): LogOutline {
    return this.#map.outline();
  }

  read(from: LogIndex, to: LogIndex, bytesMax: number): Entry[] {
    if (this.#closing !== undefined) throw closedError();
    if (from <= this.#map.base.index) {
      const first = this.#map.base.index + 1;
      throw new LogError("COMPACTED", `entry ${from} was dropped, the log begins at ${first}`);
    }
    const last = Math.min(to, this.#map.lastIndex);
    const gathering = { entries: [] as Entry[], bytesLeft: bytesMax };
    let next: number | undefined = from;
    const tailFirst = this.#tail.first;
    while (next !== undefined && next <= last && next < tailFirst) {
      next = this.#reader.gather(this.#map, next, Math.min(last, tailFirst - 1), gathering);
    }
    if (next !== undefined) this.#tail.gather(next, last, gathering);
    return gathering.entries;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closedError();
    invariant(!this.#exclusive, "nothing is written while a reset is under way");
    if (this.#cutPending) {
      throw new LogError("LOG_FULL", "the disk was full and the cut is not durable yet; try again");
    }
  }

  #write<T>(fill: (append: SegmentAppend) => T): T {
    this.#sealed = false;
    try {
      const append = new SegmentAppend(this.#active, this.#batch);
      const result = fill(append);
      append.finish();
      return result;
    } catch (error) {
      throw this.#cutBack(error);
    }
  }

  #cutBack(cause: unknown): LogError {
    if (!isFull(cause)) return this.#fail("a write to the log failed", cause);
    try {
      this.#active.file.truncate(this.#active.sizeBytes);
    } catch (error) {
      return this.#fail("the disk is full and what was written could not be cut back", error);
    }
    this.#cutPending = true;
    this.#syncs.request().catch(() => {});
    this.#logger.log("warn", "wal_full", "no space for the log; nothing was added", {
      segment: this.#active.name,
    });
    return toLogError("no space for the log", cause);
  }

  async #syncOnce(): Promise<LogIndex> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      return await this.#syncActive();
    } catch (error) {
      throw this.#fail("a sync of the log failed", error);
    }
  }

  async #syncActive(): Promise<LogIndex> {
    const cut = this.#cutPending;
    const rotated = !cut && this.#active.sizeBytes >= this.#segmentBytesMax;
    const closed = rotated ? this.#rotate() : undefined;
    const active = this.#active;
    const { sizeBytes } = active;
    this.#syncing = this.#map.lastIndex;
    const startMs = this.#clock.monotonicMs();
    if (closed !== undefined) {
      await closed.file.sync();
      closed.file.close();
    }
    await active.file.sync();
    if (rotated) await this.#fileSystem.syncDirectory(this.#directory);
    if (this.#failure !== undefined) throw this.#failure;
    this.#meters.syncSeconds.observe((this.#clock.monotonicMs() - startMs) / 1000);
    if (this.#syncing > this.#durable) {
      this.#meters.batchEntries.observe(this.#syncing - this.#durable);
    }
    active.durableBytes = sizeBytes;
    this.#durable = this.#syncing;
    if (cut) this.#cutPending = false;
    this.#meters.position.set(this.#durable);
    return this.#durable as LogIndex;
  }

  /** @returns the segment before, or undefined when there was no room for a new one */
  #rotate(): ActiveSegment | undefined {
    const before = this.#active;
    try {
      this.#active = beginSegment(this.#fileSystem, this.#directory, {
        identity: this.#identity,
        sequence: before.sequence + 1,
        base: this.#map.last,
        previousBytes: before.sizeBytes,
        reset: false,
        hardState: this.#hardState,
      });
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#logger.log("warn", "wal_full", "no space for a new segment; the old one goes on", {
        segment: before.name,
      });
      return undefined;
    }
    this.#older.push(toSegment(before));
    return before;
  }

  /** Oldest first, each made durable: a crash may not leave a hole between segments. */
  async #removeAll(segments: readonly Segment[]): Promise<void> {
    try {
      for (const { path } of segments) {
        this.#fileSystem.remove(path);
        await this.#fileSystem.syncDirectory(this.#directory);
      }
    } catch (error) {
      throw this.#fail("old segments could not be removed", error);
    }
  }

  async #close(): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#syncs.request();
      if (!this.#sealed) {
        const { commit, term } = this.#hardState;
        const state = encodeHardState(this.#hardState);
        this.#write((to) => to.add(RECORD_TYPES.seal, commit, term, state));
        await this.#syncs.request();
      }
    } catch (error) {
      if (!(error instanceof LogError && error.code === "LOG_FULL")) throw error;
      await this.#syncs.request();
    } finally {
      await this.#syncs.idle();
      this.#reader.forget();
      this.#active.file.close();
      this.#lock.release();
    }
  }

  #nameOf(sequence: number): string {
    if (sequence === this.#active.sequence) return this.#active.name;
    const segment = this.#older.find((candidate) => candidate.sequence === sequence);
    invariant(segment !== undefined, "a live entry lies in a segment that is kept");
    return segment.name;
  }

  #fail(message: string, cause: unknown): LogError {
    if (this.#failure === undefined) {
      this.#failure = brokenError(message, cause, this.#active.name);
      this.#logger.log("error", "wal_failed", this.#failure.message, {
        segment: this.#active.name,
      });
    }
    return this.#failure;
  }
}

import {
  type Deferred,
  deferred,
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
  type LogStore,
} from "../../replication/ports/index.js";
import type { Clock, FileLock, FileSystem, Logger, Metrics } from "../../runtime/index.js";
import { type ActiveSegment, beginAlone, beginSegment } from "./active-segment.js";
import { EntryReader } from "./entry-reader.js";
import { EntryTail } from "./entry-tail.js";
import { closedError, isFull, toLogError } from "./failures.js";
import { encodeHardState, RECORD_TYPES } from "./format.js";
import { LOG_LIMITS } from "./limits.js";
import type { LogMap } from "./log-map.js";
import { type LogMeters, logMeters } from "./log-meters.js";
import { RecordBatch } from "./record-batch.js";
import type { Identity, Segment } from "./recover.js";

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

/** What the opening found and holds. */
export interface Opened {
  readonly map: LogMap;
  readonly hardState: HardState;
  readonly older: Segment[];
  readonly active: ActiveSegment;
  readonly sealed: boolean;
}

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
  #running: Promise<void> | undefined;
  #next: Deferred<LogIndex> | undefined;
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
    return (this.#map.base.index + 1) as LogIndex;
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
    this.#checkEntries(entries);
    const { sequence, durableBytes, sizeBytes: start } = this.#active;
    const batch = this.#batch;
    const offsets: number[] = [];
    let flushed = start;
    batch.clear();
    for (const { kind, index, term, payload } of entries) {
      const room = LOG_LIMITS.writeBytesMax - payload.length;
      if (batch.usedBytes > 0 && batch.usedBytes > room) {
        this.#writeBatch(flushed, start);
        flushed += batch.usedBytes;
        batch.clear();
      }
      offsets.push(flushed + batch.add(RECORD_TYPES[kind], index, term, durableBytes, payload));
    }
    this.#writeBatch(flushed, start);
    this.#active.sizeBytes = flushed + batch.usedBytes;
    for (let i = 0; i < entries.length; i += 1) {
      const entry = entries[i] as Entry;
      this.#map.add(sequence, entry.index, entry.term, offsets[i] as number);
      this.#tail.push(entry);
    }
  }

  saveHardState(state: HardState): void {
    this.#checkOpen();
    const now = this.#hardState;
    invariant(state.term >= now.term, "the term of the hard state never goes back");
    invariant(state.commit >= now.commit, "the committed index never goes back");
    invariant(state.epoch >= now.epoch, "the fencing epoch never goes back");
    invariant(
      state.term > now.term || now.votedFor === null || state.votedFor === now.votedFor,
      "a vote is kept for the whole term",
    );
    this.#writeRecord(RECORD_TYPES.hardState, state.commit, state.term, encodeHardState(state));
    this.#hardState = { ...state };
  }

  sync(): Promise<LogIndex> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closing !== undefined) return Promise.reject(closedError());
    invariant(!this.#exclusive, "nothing is synced while a reset is under way");
    return this.#sync();
  }

  truncateSuffix(from: LogIndex): void {
    this.#checkOpen();
    const map = this.#map;
    invariant(from > this.#hardState.commit, "no committed entry is ever taken back");
    invariant(from > map.base.index, "only entries that are in the log can be cut");
    if (from > map.lastIndex) return;
    const termBefore = map.termAt(from - 1);
    invariant(termBefore !== undefined, "the entry before the cut is in the log or its base");
    this.#writeRecord(RECORD_TYPES.truncate, from, termBefore, EMPTY);
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

  async reset(base: Position): Promise<void> {
    this.#checkOpen();
    invariant(!this.#exclusive, "one reset at a time");
    if (this.#running !== undefined || this.#cutPending) await this.sync();
    this.#checkOpen();
    this.#exclusive = true;
    try {
      const old = this.#active;
      const commit = toLogIndex(Math.max(this.#hardState.commit, base.index));
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
      const drop = [...this.#older, asSegment(old)];
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
      if (isFull(error) && this.#map.base !== base) throw toLogError("no space to reset", error);
      throw this.#fail("the log could not be reset", error);
    } finally {
      this.#exclusive = false;
    }
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#map.termAt(index) as Term | undefined;
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
    for (; next !== undefined && next <= last; next += 1) {
      const entry = this.#tail.get(next);
      if (entry.payload.length > gathering.bytesLeft && gathering.entries.length > 0) break;
      gathering.bytesLeft -= entry.payload.length;
      gathering.entries.push(entry);
    }
    return gathering.entries;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closedError();
    invariant(!this.#exclusive, "nothing is written while a reset is under way");
    if (this.#cutPending) {
      throw new LogError("LOG_FULL", "the disk was full and the cut is not durable yet; try again");
    }
  }

  #checkEntries(entries: readonly Entry[]): void {
    let index: number = this.#map.lastIndex;
    let term: number = this.#map.lastTerm;
    let bytes = this.#active.sizeBytes;
    for (const entry of entries) {
      invariant(entry.index === index + 1, "entries follow one another without a gap");
      invariant(entry.term >= term, "terms do not fall from entry to entry");
      invariant(
        entry.payload.length <= LOG_LIMITS.payloadBytesMax,
        "a payload keeps within payloadBytesMax",
      );
      index = entry.index;
      term = entry.term;
      bytes += entry.payload.length + 64;
    }
    invariant(
      bytes <= LOG_LIMITS.segmentBytesHardMax,
      "a segment is synced before it is too large",
    );
  }

  #writeRecord(type: number, index: number, term: number, payload: Uint8Array): void {
    const { sizeBytes, durableBytes } = this.#active;
    this.#batch.clear();
    this.#batch.add(type, index, term, durableBytes, payload);
    this.#writeBatch(sizeBytes, sizeBytes);
    this.#active.sizeBytes = sizeBytes + this.#batch.usedBytes;
  }

  /**
   * The first checksum goes last: should the disk be full midway, no whole record is there that a
   * power cut could bring back after the caller was told that nothing was added.
   */
  #writeBatch(position: number, cutBackTo: number): void {
    const bytes = this.#batch.bytes();
    if (bytes.length === 0) return;
    const { file } = this.#active;
    this.#sealed = false;
    try {
      file.write(bytes.subarray(4), position + 4);
      file.write(bytes.subarray(0, 4), position);
    } catch (error) {
      throw this.#cutBack(cutBackTo, error);
    }
  }

  #cutBack(cutBackTo: number, cause: unknown): LogError {
    if (!isFull(cause)) return this.#fail("a write to the log failed", cause);
    try {
      this.#active.file.truncate(cutBackTo);
    } catch (error) {
      return this.#fail("the disk is full and what was written could not be cut back", error);
    }
    this.#cutPending = true;
    this.#sync().catch(() => {});
    this.#logger.log("warn", "wal_full", "no space for the log; nothing was added", {
      segment: this.#active.name,
    });
    return toLogError("no space for the log", cause);
  }

  #sync(): Promise<LogIndex> {
    this.#next ??= deferred<LogIndex>();
    const { promise } = this.#next;
    this.#running ??= this.#runSyncs();
    return promise;
  }

  async #runSyncs(): Promise<void> {
    // One turn later, so that callers of the same turn share the first sync as well.
    await Promise.resolve();
    for (let turn = this.#next; turn !== undefined; turn = this.#next) {
      this.#next = undefined;
      try {
        if (this.#failure !== undefined) throw this.#failure;
        turn.resolve(await this.#syncOnce());
      } catch (error) {
        const failure = this.#fail("a sync of the log failed", error);
        turn.promise.catch(() => {});
        turn.reject(failure);
      }
    }
    this.#running = undefined;
  }

  async #syncOnce(): Promise<LogIndex> {
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
    this.#older.push(asSegment(before));
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
      await this.#sync();
      if (!this.#sealed) {
        const { commit, term } = this.#hardState;
        this.#writeRecord(RECORD_TYPES.seal, commit, term, encodeHardState(this.#hardState));
        await this.#sync();
      }
    } catch (error) {
      if (!(error instanceof LogError && error.code === "LOG_FULL")) throw error;
      await this.#sync();
    } finally {
      await this.#running?.catch(() => {});
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
      const text = cause instanceof Error ? cause.message : String(cause);
      const full = `${message}: ${text}; the process must end, the log is read anew at its start`;
      this.#failure = new LogError("LOG_FAILED", full, { segment: this.#active.name }, { cause });
      this.#logger.log("error", "wal_failed", full, { segment: this.#active.name });
    }
    return this.#failure;
  }
}

function asSegment({ sequence, name, path, sizeBytes }: ActiveSegment): Segment {
  return { sequence, name, path, sizeBytes, provenBytes: 0 };
}

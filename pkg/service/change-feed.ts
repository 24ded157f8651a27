import { deferred, type LogIndex, type Position } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";
import type { Cancel, Timers } from "../runtime/index.js";
import type { Change, GraphReader } from "../storage/index.js";

type Batch = readonly Change[];

/** What the feed reads: the changes, and how far they reach. */
export interface ChangeSource extends Pick<GraphReader, "changes"> {
  getWALPosition(): Position | PromiseLike<Position>;
}

export interface ChangeFeedLimits {
  readonly changeStreamsMax: number;
  readonly changesPerRead: number;
  readonly changesPollMs: number;
}

export interface ChangesOptions {
  /** Changes with an index above this one; 0 for all that are kept. */
  readonly after: LogIndex;
  /** Waits for new changes at the end; without it the stream ends there. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * Change streams of one node. A stream holds no more than one read of changes: it reads on only
 * when its consumer asks. Waiting streams share one timer, which runs only while there are any; a
 * write through this node's service wakes them at once.
 */
export class ChangeFeed {
  readonly #source: ChangeSource;
  readonly #timers: Timers;
  readonly #limits: ChangeFeedLimits;
  #streams = 0;
  readonly #waiters = new Set<{ readonly scanned: number; readonly wake: () => void }>();
  /** The highest index known to be applied here; it may trail the truth by one poll. */
  #known = 0;
  #cancelPoll: Cancel = () => {};
  #closed = false;

  constructor(source: ChangeSource, timers: Timers, limits: ChangeFeedLimits) {
    this.#source = source;
    this.#timers = timers;
    this.#limits = limits;
  }

  /** Streams open now. */
  get streams(): number {
    return this.#streams;
  }

  /**
   * Opens a stream; the first changes are read before this resolves, so that a refusal comes as an
   * error and not in mid-stream. The stream ends when `signal` aborts or the feed closes.
   * @throws ReplicationError `COMPACTED`, `OVERLOADED`
   */
  async open(options: ChangesOptions): Promise<AsyncIterable<Batch>> {
    if (this.#streams >= this.#limits.changeStreamsMax) {
      throw new ReplicationError(
        "OVERLOADED",
        `${this.#limits.changeStreamsMax} change streams are open already`,
        { retryAfterMs: 1000 },
      );
    }
    this.#streams += 1;
    try {
      const scanned = this.#known;
      const first = await this.#source.changes(options.after, this.#limits.changesPerRead);
      return this.#stream(options, first, scanned);
    } catch (error) {
      this.#streams -= 1;
      throw error;
    }
  }

  /** Tells waiting streams that `index` was applied here. */
  notify(index: number): void {
    if (index <= this.#known) return;
    this.#known = index;
    for (const waiter of this.#waiters) if (waiter.scanned < index) waiter.wake();
  }

  /** Ends all streams after what they have read. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancelPoll();
    for (const waiter of this.#waiters) waiter.wake();
  }

  #stream(options: ChangesOptions, first: Batch, scanned: number): AsyncIterable<Batch> {
    const batches = this.#batches(options, first, scanned);
    let open = true;
    const release = () => {
      if (open) this.#streams -= 1;
      open = false;
    };
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          try {
            const step = await batches.next();
            if (step.done) release();
            return step;
          } catch (error) {
            release();
            throw error;
          }
        },
        return: async () => {
          release();
          return batches.return(undefined);
        },
      }),
    };
  }

  async *#batches(
    options: ChangesOptions,
    first: Batch,
    firstScanned: number,
  ): AsyncGenerator<Batch, undefined> {
    const ended = () => options.signal.aborted || this.#closed;
    let after = options.after;
    let batch = first;
    let scanned = firstScanned;
    while (!ended()) {
      const last = batch[batch.length - 1];
      if (last) {
        after = last.index;
        yield batch;
      } else if (options.follow) {
        await this.#moved(scanned, options.signal);
      } else {
        return undefined;
      }
      if (ended()) return undefined;
      scanned = this.#known;
      batch = await this.#source.changes(after, this.#limits.changesPerRead);
    }
    return undefined;
  }

  /** Resolves when something above `scanned` was applied, and when the stream is to end. */
  async #moved(scanned: number, signal: AbortSignal): Promise<void> {
    if (this.#known > scanned || signal.aborted || this.#closed) return;
    const woken = deferred();
    const waiter = { scanned, wake: () => woken.resolve() };
    signal.addEventListener("abort", waiter.wake, { once: true });
    this.#waiters.add(waiter);
    if (this.#waiters.size === 1) this.#poll();
    await woken.promise;
    signal.removeEventListener("abort", waiter.wake);
    this.#waiters.delete(waiter);
    if (this.#waiters.size === 0) this.#cancelPoll();
  }

  #poll(): void {
    this.#cancelPoll();
    this.#cancelPoll = this.#timers.after(this.#limits.changesPollMs, () => {
      Promise.resolve(this.#source.getWALPosition())
        .then(
          (position) => this.notify(position.index),
          () => {},
        )
        .finally(() => {
          if (this.#waiters.size > 0 && !this.#closed) this.#poll();
        });
    });
  }
}

import { invariant } from "../base/index.js";
import { STORAGE_LIMITS } from "./limits.js";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
/** How far forgotten ids may pile up before they are swept out, as a share of the window. */
const SWEEP_SHARE = 0.25;

/**
 * Which request ids the last `window` log entries carried. What it answers depends on the log
 * alone: an id counts by its index, never by whether it is still held.
 */
export class RequestMemory {
  readonly #window: number;
  #indexes = new Map<string, number>();
  /** The leader's time of each of the last `window` entries, at `index % window`. */
  readonly #times: Float64Array;
  /** The latest leader's time among the entries that left the window. */
  #horizonMs = 0;

  constructor(window: number) {
    invariant(Number.isSafeInteger(window) && window > 0, "at least one request is remembered");
    this.#window = window;
    this.#times = new Float64Array(window);
  }

  get horizonMs(): number {
    return this.#horizonMs;
  }

  /** @returns the index at which the id was applied, when entry `at` must remember it */
  find(requestId: string, at: number): number | undefined {
    const index = this.#indexes.get(requestId);
    return index !== undefined && at - index < this.#window ? index : undefined;
  }

  /**
   * True for a UUIDv7 from before everything remembered: whether it was applied is not known any
   * more. Ids made about when the leader took the entry are fresh, however fast the window moves.
   */
  isExpired(requestId: string, timestampMs: number): boolean {
    if (this.#horizonMs === 0 || !UUID_V7.test(requestId)) return false;
    const madeMs = Number.parseInt(requestId.slice(0, 8) + requestId.slice(9, 13), 16);
    return madeMs < this.#horizonMs && madeMs < timestampMs - STORAGE_LIMITS.expiryGraceMs;
  }

  /** Moves the window to `index`; every index, in order. */
  advance(index: number, timestampMs: number): void {
    const slot = index % this.#window;
    const leaving = this.#times[slot] as number;
    if (leaving > this.#horizonMs) this.#horizonMs = leaving;
    this.#times[slot] = timestampMs;
  }

  remember(requestId: string, index: number): void {
    if (this.#indexes.size >= this.#window * (1 + SWEEP_SHARE)) this.#sweep(index);
    this.#indexes.delete(requestId);
    this.#indexes.set(requestId, index);
  }

  /** Brings back what `advance` and `remember` had been told. */
  reload(
    horizonMs: number,
    entries: Iterable<{ index: number; timestampMs: number; requestId: string }>,
  ): void {
    this.#indexes.clear();
    this.#times.fill(0);
    this.#horizonMs = horizonMs;
    for (const entry of entries) {
      this.#times[entry.index % this.#window] = entry.timestampMs;
      if (entry.requestId !== "") this.#indexes.set(entry.requestId, entry.index);
    }
  }

  #sweep(index: number): void {
    const kept = new Map<string, number>();
    for (const [id, at] of this.#indexes) if (index - at < this.#window) kept.set(id, at);
    this.#indexes = kept;
  }
}

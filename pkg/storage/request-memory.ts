import { invariant } from "../base/index.js";
import { STORAGE_LIMITS } from "./limits.js";

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;
/** How far forgotten ids may pile up before they are swept out, as a share of the window. */
const SWEEP_SHARE = 0.25;

export interface RequestMemoryOptions {
  /** Entries whose ids are remembered. */
  readonly window: number;
  /** The id that the entry carried, as it is kept beside the content; asked when a hash meets. */
  idAt(index: number): string | undefined;
  /** Makes places that nobody can choose; what is answered does not depend on it. */
  readonly seed?: number | undefined;
}

/**
 * Which request ids the last `window` log entries carried. What it answers depends on the log
 * alone: an id counts by its index, never by whether it is still held. Of an id only the hash is in
 * memory: hundreds of thousands of texts would be most of what a process needs.
 */
export class RequestMemory {
  readonly #options: RequestMemoryOptions;
  #places: Places;
  /** The leader's time of each of the last `window` entries, at `index % window`. */
  readonly #times: Float64Array;
  /** The latest leader's time among the entries that left the window. */
  #horizonMs = 0;

  constructor(options: RequestMemoryOptions) {
    const { window } = options;
    invariant(Number.isSafeInteger(window) && window > 0, "at least one request is remembered");
    this.#options = options;
    this.#places = new Places(window * (1 + SWEEP_SHARE));
    this.#times = new Float64Array(window);
  }

  get horizonMs(): number {
    return this.#horizonMs;
  }

  /** @returns the index at which the id was applied, when entry `at` must remember it */
  find(requestId: string, at: number): number | undefined {
    const { window, idAt } = this.#options;
    let found: number | undefined;
    for (const index of this.#places.at(this.#hash(requestId))) {
      const isNewer = at - index < window && (found === undefined || index > found);
      if (isNewer && idAt(index) === requestId) found = index;
    }
    return found;
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
    const slot = index % this.#options.window;
    const leaving = this.#times[slot] as number;
    if (leaving > this.#horizonMs) this.#horizonMs = leaving;
    this.#times[slot] = timestampMs;
  }

  /** @param requestId - one that `find` does not know */
  remember(requestId: string, index: number): void {
    if (this.#places.isFull) this.#sweep(index);
    this.#places.add(this.#hash(requestId), index);
  }

  /** Brings back what `advance` and `remember` had been told; in ascending order of index. */
  reload(
    horizonMs: number,
    entries: Iterable<{ index: number; timestampMs: number; requestId: string }>,
  ): void {
    this.#places = this.#places.empty();
    this.#times.fill(0);
    this.#horizonMs = horizonMs;
    for (const { index, timestampMs, requestId } of entries) {
      this.#times[index % this.#options.window] = timestampMs;
      if (requestId !== "") this.remember(requestId, index);
    }
  }

  #sweep(index: number): void {
    const kept = this.#places.empty();
    for (const [hash, at] of this.#places.all()) {
      if (index - at < this.#options.window) kept.add(hash, at);
    }
    this.#places = kept;
  }

  /** FNV-1a, 32 bits. */
  #hash(text: string): number {
    let hash = (0x811c9dc5 ^ (this.#options.seed ?? 0)) >>> 0;
    for (let i = 0; i < text.length; i += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    }
    return hash >>> 0;
  }
}

/** Log indexes by hash, several for one hash if need be: open addressing, half empty at least. */
class Places {
  readonly #countMax: number;
  readonly #hashes: Uint32Array;
  /** 0: a place that is free. */
  readonly #indexes: Float64Array;
  readonly #mask: number;
  #count = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
    const size = 2 ** Math.ceil(Math.log2(2 * (countMax + 1)));
    this.#hashes = new Uint32Array(size);
    this.#indexes = new Float64Array(size);
    this.#mask = size - 1;
  }

  get isFull(): boolean {
    return this.#count >= this.#countMax;
  }

  empty(): Places {
    return new Places(this.#countMax);
  }

  add(hash: number, index: number): void {
    invariant(!this.isFull && index > 0, "there is a place for every entry");
    let place = hash & this.#mask;
    while (this.#indexes[place] !== 0) place = (place + 1) & this.#mask;
    this.#hashes[place] = hash;
    this.#indexes[place] = index;
    this.#count += 1;
  }

  at(hash: number): readonly number[] {
    const found: number[] = [];
    let place = hash & this.#mask;
    for (let index = this.#indexes[place]; index !== 0; index = this.#indexes[place]) {
      if (this.#hashes[place] === hash) found.push(index as number);
      place = (place + 1) & this.#mask;
    }
    return found;
  }

  *all(): Iterable<readonly [hash: number, index: number]> {
    for (const [place, index] of this.#indexes.entries()) {
      if (index !== 0) yield [this.#hashes[place] as number, index];
    }
  }
}

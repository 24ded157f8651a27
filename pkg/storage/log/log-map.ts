import {
  invariant,
  type LogIndex,
  NO_POSITION,
  type Position,
  type Term,
} from "../../base/index.js";
import type { LogOutline } from "../../replication/ports/index.js";
import { LOG_LIMITS } from "./limits.js";

/** Entries that follow one another in one segment. */
interface Run {
  readonly sequence: number;
  first: number;
  last: number;
  readonly indexes: number[];
  readonly offsets: number[];
}

type TermRun = LogOutline["terms"][number];

/** Where in a segment to start looking for an entry, and where its run ends. */
export interface Place {
  readonly sequence: number;
  /** The entry that begins at `offset`, at or before the one asked for. */
  readonly index: number;
  readonly offset: number;
  readonly lastInRun: number;
}

/**
 * Which entries live, where, and their terms, in memory bounded by segments, terms and one offset
 * each 64 KiB. Runs ascend in index and in segment at once: a truncation only pops from the end.
 */
export class LogMap {
  #base: Position = NO_POSITION;
  #lastIndex = 0;
  #lastTerm = 0;
  #runs: Run[] = [];
  #terms: TermRun[] = [];
  /** Live entries of kind `config`, ascending. */
  #configs: LogIndex[] = [];
  #runOpen = false;

  get base(): Position {
    return this.#base;
  }
  get last(): Position {
    return { index: this.#lastIndex as LogIndex, term: this.#lastTerm as Term };
  }
  get lastIndex(): number {
    return this.#lastIndex;
  }
  get lastTerm(): number {
    return this.#lastTerm;
  }

  reset(base: Position): void {
    this.#base = base;
    this.#lastIndex = base.index;
    this.#lastTerm = base.term;
    this.#runs = [];
    this.#terms = [];
    this.#configs = [];
    this.#runOpen = false;
  }

  /** The entry just taken is a `config`. */
  markConfig(): void {
    this.#configs.push(this.#lastIndex as LogIndex);
  }

  /** Takes the entry after the last one, at `offset` of that segment. */
  add(sequence: number, index: number, term: number, offset: number): void {
    const run = this.#runs.at(-1);
    if (this.#runOpen && run !== undefined && run.sequence === sequence) {
      run.last = index;
      if (offset - (run.offsets.at(-1) as number) >= LOG_LIMITS.sparseBytes) {
        run.indexes.push(index);
        run.offsets.push(offset);
      }
    } else {
      this.#runs.push({ sequence, first: index, last: index, indexes: [index], offsets: [offset] });
      this.#runOpen = true;
    }
    if (term !== this.#lastTerm || this.#terms.length === 0) {
      if (this.#terms.at(-1)?.term !== term) this.#terms.push({ first: index, term } as TermRun);
    }
    this.#lastIndex = index;
    this.#lastTerm = term;
  }

  /** Forgets entries from `from` on; `termBefore` is the term of the entry before it. */
  truncate(from: number, termBefore: number): void {
    if (from - 1 <= this.#base.index) {
      this.reset({ index: (from - 1) as LogIndex, term: termBefore as Term });
      return;
    }
    for (let run = this.#runs.at(-1); run !== undefined; run = this.#runs.at(-1)) {
      if (run.first < from) {
        run.last = Math.min(run.last, from - 1);
        while ((run.indexes.at(-1) as number) >= from) {
          run.indexes.pop();
          run.offsets.pop();
        }
        break;
      }
      this.#runs.pop();
    }
    while ((this.#terms.at(-1)?.first ?? 0) >= from) this.#terms.pop();
    while ((this.#configs.at(-1) ?? 0) >= from) this.#configs.pop();
    this.#lastIndex = from - 1;
    this.#lastTerm = termBefore;
    this.#runOpen = false;
  }

  termAt(index: number): number | undefined {
    if (index === this.#lastIndex) return this.#lastTerm;
    if (index === this.#base.index) return this.#base.term;
    if (index < this.#base.index || index > this.#lastIndex) return undefined;
    return this.#terms[lastAtOrBelow(this.#terms.length, (i) => this.#terms[i]!.first <= index)]!
      .term;
  }

  outline(): LogOutline {
    const first = (this.#base.index + 1) as LogIndex;
    const terms = this.#terms.map((run) => (run.first < first ? { ...run, first } : run));
    return { terms, configs: [...this.#configs] };
  }

  locate(index: number): Place {
    const run = this.#runs[lastAtOrBelow(this.#runs.length, (i) => this.#runs[i]!.first <= index)];
    invariant(run !== undefined && index <= run.last, "a live entry lies in a run");
    const slot = lastAtOrBelow(run.indexes.length, (i) => run.indexes[i]! <= index);
    return {
      sequence: run.sequence,
      index: run.indexes[slot] as number,
      offset: run.offsets[slot] as number,
      lastInRun: run.last,
    };
  }

  /** @returns the last live entry of that segment, or 0 when it holds none */
  lastIndexIn(sequence: number): number {
    return this.#runs.findLast((run) => run.sequence === sequence)?.last ?? 0;
  }

  /** Forgets what lies in segments below `sequence`. */
  dropBelow(sequence: number): void {
    const kept = this.#runs.findIndex((run) => run.sequence >= sequence);
    const firstKept = kept < 0 ? this.#lastIndex + 1 : this.#runs[kept]!.first;
    const term = this.termAt(firstKept - 1);
    invariant(term !== undefined, "the new base is inside the log");
    this.#base = { index: (firstKept - 1) as LogIndex, term: term as Term };
    this.#runs = kept < 0 ? [] : this.#runs.slice(kept);
    const slot = lastAtOrBelow(this.#terms.length, (i) => this.#terms[i]!.first <= firstKept);
    this.#terms = kept < 0 ? [] : this.#terms.slice(Math.max(0, slot));
    this.#configs = this.#configs.filter((index) => index >= firstKept);
  }
}

/** @returns the last position of ascending `count` items for which `holds`, or -1 */
function lastAtOrBelow(count: number, holds: (at: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

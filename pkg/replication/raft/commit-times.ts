import type { LogIndex } from "../../base/index.js";

interface Mark {
  readonly index: LogIndex;
  readonly atMs: number;
}

const MARKS_MAX = 1_024;

/**
 * When this node learned how far the log is committed, at the grain of a tick, so that entries
 * behind can be told in milliseconds. Old marks thin out; their grain becomes coarser.
 */
export class CommitTimes {
  #marks: Mark[] = [];

  note(commit: LogIndex, nowMs: number): void {
    if (commit <= (this.#marks.at(-1)?.index ?? 0)) return;
    this.#marks.push({ index: commit, atMs: nowMs });
    if (this.#marks.length > MARKS_MAX) this.#marks = this.#marks.filter((_, at) => at % 2 === 0);
  }

  /** @returns for how long an entry after `index` has been known as committed; 0: none is */
  behindMs(index: LogIndex, nowMs: number): number {
    const mark = this.#marks[this.#firstAfter(index)];
    return mark === undefined ? 0 : Math.max(0, Math.round(nowMs - mark.atMs));
  }

  /** By halves: it is asked after every step. */
  #firstAfter(index: LogIndex): number {
    let [low, high] = [0, this.#marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#marks[middle] as Mark).index > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

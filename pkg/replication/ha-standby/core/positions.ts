import type { LogIndex } from "../../../base/index.js";
import { firstOfTerm, type LogTerms, termAt } from "../../progress/index.js";
import type { EpochTable } from "../messages.js";

/** The newest runs of a log, at most `runsMax` of them. */
export function tableOf(log: LogTerms, runsMax: number): EpochTable {
  const { runs, base, last } = log;
  if (runs.length <= runsMax) return { base, runs, last };
  const kept = runs.slice(-runsMax);
  const before = runs.at(-runsMax - 1);
  const first = kept[0]?.first ?? (1 as LogIndex);
  const index = (first - 1) as LogIndex;
  return { base: { index, term: before?.term ?? base.term }, runs: kept, last };
}

/**
 * The last entry that two logs share: the same index and epoch mean the same entries up to there.
 * Null: it lies before what one of them still knows.
 */
export function commonIndex(a: LogTerms, b: LogTerms): LogIndex | null {
  let index = Math.min(a.last, b.last) as LogIndex;
  for (;;) {
    const termA = termAt(a, index);
    const termB = termAt(b, index);
    if (termA === undefined || termB === undefined) return null;
    if (termA === termB) return index;
    const higher = termA > termB ? a : b;
    if (index <= higher.base.index) return null;
    index = (firstOfTerm(higher, index) - 1) as LogIndex;
  }
}

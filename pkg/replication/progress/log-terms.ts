import { invariant, type LogIndex, type Position, type Term } from "../../base/index.js";

/** Entries from `first` on have this term, until the next run begins. */
export interface TermRun {
  readonly first: LogIndex;
  readonly term: Term;
}

/**
 * The terms of the log without its entries. `runs` are ascending in both fields, the first begins
 * at `base.index + 1`; no two neighbours have the same term.
 */
export interface LogTerms {
  readonly base: Position;
  readonly runs: readonly TermRun[];
  readonly last: LogIndex;
}

export function termAt(log: LogTerms, index: LogIndex): Term | undefined {
  if (index > log.last || index < log.base.index) return undefined;
  if (index === log.base.index) return log.base.term;
  return runAt(log, index).term;
}

export function lastPosition(log: LogTerms): Position {
  const run = log.runs.at(-1);
  return run === undefined ? log.base : { index: log.last, term: run.term };
}

/** First kept index that has the term of `index`; never at or below the base. */
export function firstOfTerm(log: LogTerms, index: LogIndex): LogIndex {
  return index <= log.base.index ? index : runAt(log, index).first;
}

/** The last index whose term is at most `term`, or the base. */
export function lastUpToTerm(log: LogTerms, term: Term): LogIndex {
  for (let at = log.runs.length - 1; at >= 0; at -= 1) {
    const run = log.runs[at] as TermRun;
    if (run.term > term) continue;
    const next = log.runs[at + 1];
    return next === undefined ? log.last : ((next.first - 1) as LogIndex);
  }
  return log.base.index;
}

export function appended(log: LogTerms, term: Term, count: number): LogTerms {
  invariant(count > 0, "something is appended");
  const tail = log.runs.at(-1);
  invariant(term >= (tail?.term ?? log.base.term), "terms in a log never fall");
  const last = (log.last + count) as LogIndex;
  if (tail?.term === term) return { ...log, last };
  const run = { first: (log.last + 1) as LogIndex, term };
  return { ...log, runs: [...log.runs, run], last };
}

export function truncated(log: LogTerms, from: LogIndex): LogTerms {
  invariant(from > log.base.index, "what was compacted is not cut");
  if (from > log.last) return log;
  const runs = log.runs.filter((run) => run.first < from);
  return { ...log, runs, last: (from - 1) as LogIndex };
}

export function compacted(log: LogTerms, base: Position): LogTerms {
  if (base.index <= log.base.index) return log;
  if (base.index >= log.last) return { base, runs: [], last: base.index };
  const first = (base.index + 1) as LogIndex;
  const runs = log.runs.filter((_, at) => {
    const next = log.runs[at + 1];
    return (next === undefined ? log.last + 1 : next.first) > first;
  });
  return { ...log, base, runs: runs.map((run) => (run.first < first ? { ...run, first } : run)) };
}

function runAt(log: LogTerms, index: LogIndex): TermRun {
  for (let at = log.runs.length - 1; at >= 0; at -= 1) {
    const run = log.runs[at] as TermRun;
    if (run.first <= index) return run;
  }
  throw new Error(`index ${index} is not in the log`);
}

import type { Change } from "./change.js";
import type { ClosedConflict } from "./conflict.js";
import type { RegionRules } from "./rules.js";
import { type Stamp, stampText } from "./stamp.js";

/** A conflict that is over, with the write that ended it. */
export interface ClosedEntry {
  readonly by: Stamp & { readonly seq: number };
  readonly conflict: ClosedConflict;
}

/**
 * Conflicts that are over, the latest `entriesMax` of them by the clocks of the writes that ended
 * them. Which ones these are does not depend on the order they came in.
 */
export class ClosedConflicts {
  readonly #entriesMax: number;
  readonly #rules: RegionRules;
  #entries: readonly ClosedEntry[] = [];

  constructor(entriesMax: number, rules: RegionRules) {
    this.#entriesMax = entriesMax;
    this.#rules = rules;
  }

  /** Latest first. */
  get entries(): readonly ClosedEntry[] {
    return this.#entries;
  }

  add(change: Change): void {
    if (change.closed.length === 0) return;
    const { origin, seq, ms, counter } = change;
    const by = { origin, seq, ms, counter };
    const entries = [...this.#entries];
    for (const conflict of change.closed) this.#insert(entries, { by, conflict });
    this.#entries = entries.slice(0, this.#entriesMax);
  }

  load(entries: readonly ClosedEntry[]): void {
    this.#entries = entries;
  }

  #insert(entries: ClosedEntry[], entry: ClosedEntry): void {
    let [from, to] = [0, entries.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const order = orderClosed(entries[middle] as ClosedEntry, entry, this.#rules);
      if (order === 0) return;
      if (order < 0) from = middle + 1;
      else to = middle;
    }
    entries.splice(from, 0, entry);
  }
}

/** The latest first; 0 for the same one only. */
export function orderClosed(a: ClosedEntry, b: ClosedEntry, { compare }: RegionRules): number {
  const [one, other] = [a.conflict.id, b.conflict.id];
  return compare(b.by, a.by) || (one < other ? -1 : one > other ? 1 : 0);
}

/** What two lists in that order do not share; an entry that both have is the same object in both. */
export function closedBetween(
  before: readonly ClosedEntry[],
  after: readonly ClosedEntry[],
  rules: RegionRules,
): { readonly gone: readonly ClosedEntry[]; readonly added: readonly ClosedEntry[] } {
  const gone: ClosedEntry[] = [];
  const added: ClosedEntry[] = [];
  let [at, to] = [0, 0];
  while (at < before.length || to < after.length) {
    const [old, now] = [before[at], after[to]];
    if (old === now) {
      at += 1;
      to += 1;
    } else if (now === undefined || (old !== undefined && orderClosed(old, now, rules) < 0)) {
      gone.push(old as ClosedEntry);
      at += 1;
    } else {
      added.push(now);
      to += 1;
    }
  }
  return { gone, added };
}

export function closedName({ by, conflict }: ClosedEntry): string {
  return `${conflict.id}<${stampText(by)}`;
}

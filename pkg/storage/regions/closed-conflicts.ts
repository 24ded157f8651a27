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
    const added = change.closed.map((conflict) => ({ by, conflict }));
    this.#entries = [...this.#entries, ...added]
      .sort((a, b) => this.#rules.compare(b.by, a.by) || (a.conflict.id < b.conflict.id ? -1 : 1))
      .slice(0, this.#entriesMax);
  }

  load(entries: readonly ClosedEntry[]): void {
    this.#entries = entries;
  }
}

export function closedName({ by, conflict }: ClosedEntry): string {
  return `${conflict.id}<${stampText(by)}`;
}

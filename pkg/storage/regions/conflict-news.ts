import type { Conflict } from "./conflict.js";
import { REGION_LIMITS } from "./limits.js";
import type { StrategyName } from "./region-settings.js";
import type { RegionState } from "./region-state.js";
import type { Told } from "./region-work.js";
import type { ThingDraft } from "./thing-draft.js";

/** That a conflict came up; all of it is read under its id. */
export type ConflictNotice = Pick<Conflict, "id" | "key" | "field" | "kind">;

/** Conflicts that came up here since the file was opened, numbered from 1. */
export interface ConflictNews {
  readonly total: number;
  /** Of the region; undefined until it is founded. */
  readonly strategy: StrategyName | undefined;
  /** The latest of those behind the number that was asked for. */
  readonly notices: readonly ConflictNotice[];
}

/** Keeps what is new until somebody asks. It is no part of the state: every node has its own. */
export class ConflictNewsKeeper {
  readonly #kept: ConflictNotice[] = [];
  #total = 0;

  /** After changes took effect; a conflict is of those that it is between. */
  note(told: readonly Told[], things: ThingDraft, state: RegionState): void {
    if (told.length === 0) return;
    const keys = things.disputedKeys();
    if (keys.length === 0) return;
    const dots = new Set(told.map(({ change }) => `${change.origin}:${change.seq}`));
    for (const key of keys) {
      const thing = things.get(key);
      for (const conflict of thing === undefined ? [] : state.conflictsOf(thing)) {
        const sides = [conflict.winner, ...conflict.losers];
        if (sides.some(({ origin, seq }) => dots.has(`${origin}:${seq}`))) this.#keep(conflict);
      }
    }
  }

  since(after: number): Omit<ConflictNews, "strategy"> {
    const behind = Math.max(0, this.#total - after);
    return { total: this.#total, notices: behind === 0 ? [] : this.#kept.slice(-behind) };
  }

  #keep({ id, key, field, kind }: Conflict): void {
    this.#total += 1;
    this.#kept.push({ id, key, field, kind });
    if (this.#kept.length > REGION_LIMITS.noticesMax) this.#kept.shift();
  }
}

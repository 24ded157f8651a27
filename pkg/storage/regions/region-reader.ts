import { ContentTotals } from "../content/inspect-content.js";
import { checkLimit } from "../queries.js";
import type { Connection } from "../sqlite/connection.js";
import { SqliteReader } from "../sqlite/sqlite-reader.js";
import { type ClosedEntry, closedName } from "./closed-conflicts.js";
import type { ClosedConflict, Conflict } from "./conflict.js";
import { REGION_LIMITS } from "./limits.js";
import { openSession, type RegionalOptions, regionOfNotes } from "./open-session.js";
import { RegionContent, regionShape } from "./region-content.js";
import { findConflict } from "./region-operations.js";
import type { Region } from "./region-record.js";
import { Mark } from "./region-store.js";
import { SqliteRegionStore } from "./sqlite-regions.js";
import { stampText } from "./stamp.js";
import type { Dot } from "./version-vector.js";

export interface ConflictPage<C extends Conflict = Conflict> {
  readonly conflicts: readonly C[];
  /** Go on behind it; undefined on the last page. */
  readonly next: string | undefined;
}

/** A conflict that is over, with the write that ended it. */
export interface EndedConflict extends ClosedConflict {
  readonly endedBy: Dot & { readonly clock: string };
}

/** Reads of a region's file, beside those of the graph. */
export class RegionFileReader extends SqliteReader {
  readonly #connection: Connection;
  readonly #options: RegionalOptions;

  constructor(connection: Connection, rememberedRequestsMax: number, options: RegionalOptions) {
    super(connection, rememberedRequestsMax);
    this.#connection = connection;
    this.#options = options;
  }

  /** undefined: not founded yet. */
  region(): Region | undefined {
    const { rules } = this.#options;
    const notes = [...this.#store().notes()].map((note) => [note.id, note] as const);
    return regionOfNotes(new Map(notes), rules);
  }

  /** Open conflicts by key, those of one thing together; as many things as `limit` allows. */
  conflicts(after: string, limit: number): ConflictPage {
    checkLimit(limit);
    return this.#atOnce(() => {
      const store = this.#store();
      const region = this.region();
      if (region === undefined) return { conflicts: [], next: undefined };
      const session = openSession(store, region, this.#options);
      const keys = store.markedKeys(Mark.disputed | Mark.hidden, after, limit);
      const conflicts: Conflict[] = [];
      let chars = 0;
      for (const key of keys) {
        const thing = session.things.get(key);
        const found = thing === undefined ? [] : session.state.conflictsOf(thing);
        conflicts.push(...found);
        chars += found.length === 0 ? 0 : JSON.stringify(found).length;
        if (chars > REGION_LIMITS.pageCharsMax) return { conflicts, next: key };
      }
      return { conflicts, next: keys.length < limit ? undefined : keys.at(-1) };
    });
  }

  conflict(id: string): Conflict | undefined {
    return this.#atOnce(() => {
      const region = this.region();
      if (region === undefined) return undefined;
      return findConflict(id, openSession(this.#store(), region, this.#options));
    });
  }

  /** Conflicts that are over, the latest first, as far as they are still listed. */
  endedConflicts(after: string, limit: number): ConflictPage<EndedConflict> {
    checkLimit(limit);
    const entries = this.#atOnce(() => this.region())?.meta.closed ?? [];
    const start = after === "" ? 0 : entries.findIndex((entry) => closedName(entry) === after) + 1;
    const page = entries.slice(start, start + limit);
    const isLast = start + page.length >= entries.length;
    const last = isLast ? undefined : page.at(-1);
    return { conflicts: page.map(toEnded), next: last && closedName(last) };
  }

  /** Over everything as it is stored. */
  override recomputeShards(): readonly number[] {
    return this.#atOnce(() => {
      const totals = new ContentTotals();
      for (const slice of new RegionContent(this.#connection).things()) {
        for (const thing of slice) totals.add(regionShape.keyOf(thing), regionShape.hashOf(thing));
      }
      return totals.result().sums;
    });
  }

  #store(): SqliteRegionStore {
    return new SqliteRegionStore(this.#connection);
  }

  #atOnce<T>(body: () => T): T {
    return this.#connection.transaction(body)();
  }
}

function toEnded({ by, conflict }: ClosedEntry): EndedConflict {
  const { origin, seq } = by;
  return { ...conflict, endedBy: { origin, seq, clock: stampText(by) } };
}

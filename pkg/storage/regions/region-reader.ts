import type { RegionId } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import { ContentTotals } from "../content/inspect-content.js";
import type { Connection } from "../sqlite/connection.js";
import { SqliteReader } from "../sqlite/sqlite-reader.js";
import type { Conflict } from "./conflict.js";
import { openSession, type RegionalOptions, regionOfNotes } from "./open-session.js";
import { RegionContent, regionShape } from "./region-content.js";
import { findConflict } from "./region-operations.js";
import type { Region } from "./region-record.js";
import { Mark } from "./region-store.js";
import { SqliteRegionStore } from "./sqlite-regions.js";

/** Changes of one region, one after the other. */
export interface ChangePage {
  /** The seq of the first; each one behind it is one more. */
  readonly firstSeq: number;
  readonly texts: readonly string[];
}

export interface ConflictPage {
  readonly conflicts: readonly Conflict[];
  /** Go on behind it; undefined on the last page. */
  readonly next: string | undefined;
}

export interface ChangePageLimits {
  /** Both from 1; at least one change comes if there is any. */
  readonly countMax: number;
  readonly charsMax: number;
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

  /**
   * Changes of a region behind `after`, as they are kept.
   * @throws ReplicationError `COMPACTED` when the next one is not kept
   */
  changesOf(origin: RegionId, after: number, limits: ChangePageLimits): ChangePage {
    return this.#atOnce(() => {
      if (after < (this.region()?.floor.get(origin) ?? 0)) throw notKept(origin, after + 1);
      return this.#page(origin, after, limits);
    });
  }

  #page(origin: RegionId, after: number, { countMax, charsMax }: ChangePageLimits): ChangePage {
    const rows = this.#connection
      .prepare(
        `SELECT first_seq AS "firstSeq", texts FROM region_changes
         WHERE origin = ? AND last_seq > ? ORDER BY last_seq`,
      )
      .iterate(origin, after) as IterableIterator<{ firstSeq: number; texts: string }>;
    const texts: string[] = [];
    let next = after + 1;
    let chars = 0;
    for (const row of rows) {
      if (row.firstSeq > next) throw notKept(origin, next);
      for (const text of row.texts.split("\n").slice(next - row.firstSeq)) {
        const isFull = texts.length >= countMax || chars + text.length > charsMax;
        if (isFull && texts.length > 0) return { firstSeq: after + 1, texts };
        texts.push(text);
        chars += text.length;
        next += 1;
      }
    }
    return { firstSeq: after + 1, texts };
  }

  /** undefined: not founded yet. */
  region(): Region | undefined {
    const { rules } = this.#options;
    const notes = [...this.#store().notes()].map((note) => [note.id, note] as const);
    return regionOfNotes(new Map(notes), rules);
  }

  /** Open conflicts by key, those of one thing together; as many things as `limit` allows. */
  conflicts(after: string, limit: number): ConflictPage {
    return this.#atOnce(() => {
      const store = this.#store();
      const region = this.region();
      if (region === undefined) return { conflicts: [], next: undefined };
      const session = openSession(store, region, this.#options);
      const keys = store.markedKeys(Mark.disputed | Mark.hidden, after, limit);
      const conflicts = keys.flatMap((key) => {
        const thing = session.things.get(key);
        return thing === undefined ? [] : session.state.conflictsOf(thing);
      });
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

function notKept(origin: string, seq: number): ReplicationError {
  return new ReplicationError(
    "COMPACTED",
    `change ${seq} of region "${origin}" is not kept any more`,
    { hint: "the region that needs it must be given a full copy" },
  );
}

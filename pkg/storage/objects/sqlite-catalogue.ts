import type { ContentRecord } from "../../replication/ports/index.js";
import {
  type ContentShape,
  type ContentSource,
  ContentTotals,
  inspectContent,
} from "../content/inspect-content.js";
import type { Connection, Statement } from "../sqlite/connection.js";
import type { Repaired, SqliteModel } from "../sqlite/model.js";
import { SqliteRows } from "../sqlite/sqlite-rows.js";
import type { AppliedRow } from "../state-engine.js";
import type { ObjectRecord, SegmentRecord } from "./records.js";
import { CatalogueRules, type CatalogueStore } from "./rules.js";
import { catalogueShape, fromValue, hashOf, keyOf, type Thing } from "./thing.js";

const TABLES = `
CREATE TABLE objects (
  id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, complete INTEGER NOT NULL,
  put INTEGER NOT NULL, started_ms INTEGER NOT NULL, replicas TEXT NOT NULL,
  version INTEGER NOT NULL, hash INTEGER NOT NULL
);
CREATE INDEX objects_pending ON objects (key) WHERE complete = 0;
CREATE TABLE segments (
  segment TEXT PRIMARY KEY, address TEXT NOT NULL, bytes INTEGER NOT NULL, used INTEGER NOT NULL,
  mount INTEGER NOT NULL, version INTEGER NOT NULL, hash INTEGER NOT NULL
) WITHOUT ROWID;
`;

export const OBJECT_COLUMNS =
  'key, complete, put, started_ms AS "startedMs", replicas, version, hash';
export const SEGMENT_COLUMNS = "segment, address, bytes, used, mount, version, hash";

/** One slice has at most so many rows, or keys. */
const SLICE_ROWS_MAX = 256;
const SLICE_KEYS_MAX = 1_024;

/** The catalogue in a SQLite file. */
export const catalogueModel: SqliteModel<CatalogueRules> = {
  name: "objects",
  tables: TABLES,
  open: (connection) => {
    const store = new SqliteCatalogueStore(connection);
    return {
      rules: new CatalogueRules(store),
      reload: () => {},
      repair: (records) => repair(connection, store, records),
    };
  },
  inspect: (connection, query, pause) =>
    inspectContent(new CatalogueContent(connection), query, pause),
};

class SqliteCatalogueStore implements CatalogueStore {
  readonly #object: Statement;
  readonly #segment: Statement;
  readonly #putObject: Statement;
  readonly #dropObject: Statement;
  readonly #putSegment: Statement;
  readonly #dropSegment: Statement;

  constructor(connection: Connection) {
    this.#object = connection.prepare(`SELECT ${OBJECT_COLUMNS} FROM objects WHERE key = ?`);
    this.#segment = connection.prepare(`SELECT ${SEGMENT_COLUMNS} FROM segments WHERE segment = ?`);
    this.#putObject = connection.prepare(
      `INSERT INTO objects (key, complete, put, started_ms, replicas, version, hash)
       VALUES (@key, @complete, @put, @startedMs, @replicas, @version, @hash)
       ON CONFLICT (key) DO UPDATE SET complete = excluded.complete, put = excluded.put,
       started_ms = excluded.started_ms, replicas = excluded.replicas,
       version = excluded.version, hash = excluded.hash`,
    );
    this.#dropObject = connection.prepare("DELETE FROM objects WHERE key = ?");
    this.#putSegment = connection.prepare(
      `INSERT OR REPLACE INTO segments
       VALUES (@segment, @address, @bytes, @used, @mount, @version, @hash)`,
    );
    this.#dropSegment = connection.prepare("DELETE FROM segments WHERE segment = ?");
  }

  object(key: string): ObjectRecord | undefined {
    return this.#object.get(key) as ObjectRecord | undefined;
  }

  segment(name: string): SegmentRecord | undefined {
    return this.#segment.get(name) as SegmentRecord | undefined;
  }

  changeObject(before: ObjectRecord | undefined, after: ObjectRecord | undefined): void {
    if (after === undefined) {
      this.#dropObject.run(before?.key);
      return;
    }
    // A key that is put anew goes to the end of the order in which eviction looks.
    if (before !== undefined && before.put !== after.put) this.#dropObject.run(before.key);
    this.#putObject.run(after);
  }

  changeSegment(before: SegmentRecord | undefined, after: SegmentRecord | undefined): void {
    if (after === undefined) this.#dropSegment.run(before?.segment);
    else this.#putSegment.run(after);
  }

  /** Puts a thing in its place whatever is there. */
  replace(key: string, thing: Thing | undefined): void {
    const id = key.slice(2);
    if (key.startsWith("o:")) {
      this.#dropObject.run(id);
      if (thing?.kind === "o") this.#putObject.run(thing.row);
    } else {
      this.#dropSegment.run(id);
      if (thing?.kind === "s") this.#putSegment.run(thing.row);
    }
  }
}

/** See `ModelStore.repair`. */
function repair(
  connection: Connection,
  store: SqliteCatalogueStore,
  records: readonly ContentRecord[],
): Repaired {
  for (const { key, value } of records) store.replace(key, fromValue(key, value));
  const totals = new ContentTotals();
  const counts = { objects: 0, pending: 0, segments: 0 };
  for (const slice of new CatalogueContent(connection).things()) {
    for (const thing of slice) {
      const hash = hashOf(thing);
      totals.add(keyOf(thing), hash);
      if (thing.kind === "s") counts.segments += 1;
      else if (thing.row.complete === 1) counts.objects += 1;
      else counts.pending += 1;
      if (thing.row.hash === hash) continue;
      const [table, column] = thing.kind === "o" ? ["objects", "key"] : ["segments", "segment"];
      connection
        .prepare(`UPDATE ${table} SET hash = ? WHERE ${column} = ?`)
        .run(hash, keyOf(thing).slice(2));
    }
  }
  return { content: totals.result(), counts };
}

/** What a connection sees, as things; statements are over before a slice is handed out. */
export class CatalogueContent implements ContentSource<Thing> {
  readonly shape: ContentShape<Thing> = catalogueShape;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  *things(): Iterable<readonly Thing[]> {
    const slice = this.#connection.prepare(
      `SELECT id, ${OBJECT_COLUMNS} FROM objects WHERE id > ? ORDER BY id LIMIT ${SLICE_ROWS_MAX}`,
    );
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const rows = slice.all(after) as (ObjectRecord & { readonly id: number })[];
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.id;
      yield rows.map(({ id: _, ...row }) => ({ kind: "o", row }));
    }
    yield this.#segments();
  }

  *keys(): Iterable<readonly string[]> {
    const next = this.#connection
      .prepare(`SELECT key FROM objects WHERE key > ? ORDER BY key LIMIT ${SLICE_KEYS_MAX}`)
      .pluck();
    let keys = next.all("") as string[];
    while (keys.length > 0) {
      yield keys.map((key) => `o:${key}`);
      keys = next.all(keys.at(-1)) as string[];
    }
    yield this.#segments().map(keyOf);
  }

  thing(key: string): Thing | undefined {
    const store = new SqliteCatalogueStore(this.#connection);
    const id = key.slice(2);
    const object = key.startsWith("o:") ? store.object(id) : undefined;
    if (object !== undefined) return { kind: "o", row: object };
    const segment = key.startsWith("s:") ? store.segment(id) : undefined;
    return segment === undefined ? undefined : { kind: "s", row: segment };
  }

  appliedRow(index: number): AppliedRow | undefined {
    return new SqliteRows(this.#connection).appliedRow(index);
  }

  #segments(): readonly Thing[] {
    const rows = this.#connection.prepare(`SELECT ${SEGMENT_COLUMNS} FROM segments`).all();
    return rows.map((row) => ({ kind: "s", row: row as SegmentRecord }));
  }
}

import type { ContentSource } from "../content/inspect-content.js";
import { graphShape, parseKey, type Thing, type ThingKind } from "../content/thing.js";
import type { EdgeRecord, IndexRecord, NodeRecord } from "../records.js";
import type { AppliedRow } from "../state-engine.js";
import type { Connection, Statement } from "./connection.js";
import { SqliteRows } from "./sqlite-rows.js";

const COLUMNS = {
  n: 'rowid AS "rowid", id, labels, properties, version, hash',
  e: 'rowid AS "rowid", id, from_id AS "from", to_id AS "to", type, properties, version, hash',
} as const;
const TABLE = { n: "nodes", e: "edges" } as const;

/** One slice has at most so many rows, keys, and bytes of properties. */
const SLICE_ROWS_MAX = 256;
const SLICE_KEYS_MAX = 1_024;
const SLICE_CHARS_MAX = 256 * 1024;

type Row = (NodeRecord | EdgeRecord) & { readonly rowid: number };

/** What a connection sees, as things; statements are over before a slice is handed out. */
export class SqliteContent implements ContentSource<Thing> {
  readonly shape = graphShape;
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  *things(): Iterable<readonly Thing[]> {
    yield* this.#rows("n");
    yield* this.#rows("e");
    yield this.#indexes();
  }

  *keys(): Iterable<readonly string[]> {
    yield* this.#ids("n");
    yield* this.#ids("e");
    yield this.#indexes().map(({ row }) => `i:${row.label}\0${row.property}`);
  }

  thing(key: string): Thing | undefined {
    const { kind, id } = parseKey(key);
    if (kind === "i") {
      return this.#indexes().find(({ row }) => `${row.label}\0${row.property}` === id);
    }
    const row = this.#prepared(`SELECT ${COLUMNS[kind]} FROM ${TABLE[kind]} WHERE id = ?`).get(id);
    return row === undefined ? undefined : toThing(kind, row as Row);
  }

  appliedRow(index: number): AppliedRow | undefined {
    return new SqliteRows(this.#connection).appliedRow(index);
  }

  *#rows(kind: "n" | "e"): Iterable<readonly Thing[]> {
    const slice = this.#prepared(
      `SELECT ${COLUMNS[kind]} FROM ${TABLE[kind]} WHERE rowid > ? ORDER BY rowid LIMIT ${SLICE_ROWS_MAX}`,
    );
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const things: Thing[] = [];
      let chars = 0;
      for (const row of slice.iterate(after) as IterableIterator<Row>) {
        after = row.rowid;
        things.push(toThing(kind, row));
        chars += row.properties.length;
        if (chars > SLICE_CHARS_MAX) break;
      }
      if (things.length === 0) return;
      yield things;
    }
  }

  *#ids(kind: "n" | "e"): Iterable<readonly string[]> {
    const first = this.#prepared(
      `SELECT id FROM ${TABLE[kind]} ORDER BY id LIMIT ${SLICE_KEYS_MAX}`,
    ).pluck();
    const next = this.#prepared(
      `SELECT id FROM ${TABLE[kind]} WHERE id > ? ORDER BY id LIMIT ${SLICE_KEYS_MAX}`,
    ).pluck();
    let ids = first.all() as string[];
    while (ids.length > 0) {
      yield ids.map((id) => `${kind}:${id}`);
      ids = next.all(ids.at(-1)) as string[];
    }
  }

  #indexes(): readonly { readonly kind: "i"; readonly row: IndexRecord }[] {
    const rows = this.#prepared("SELECT label, property, version, hash FROM indexes").all();
    return rows.map((row) => ({ kind: "i", row: row as IndexRecord }));
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function toThing(kind: Exclude<ThingKind, "i">, { rowid: _, ...row }: Row): Thing {
  return { kind, row } as Thing;
}

import type { JsonValue } from "../../base/index.js";
import type { ContentRecord } from "../../replication/ports/index.js";
import {
  type ContentShape,
  type ContentSource,
  ContentTotals,
} from "../content/inspect-content.js";
import { type Thing as GraphThing, keyOf as graphKeyOf, graphShape } from "../content/thing.js";
import type { Connection, Statement } from "../sqlite/connection.js";
import type { Repaired } from "../sqlite/model.js";
import { repairStore } from "../sqlite/repair.js";
import { SqliteContent } from "../sqlite/sqlite-content.js";
import type { AppliedRow } from "../state-engine.js";
import {
  noteDigestKey,
  noteRecord,
  type TextRecord,
  textHash,
  thingDigestKey,
  thingRecord,
} from "./region-store.js";
import { NOTE_COLUMNS, type SqliteRegionStore, THING_COLUMNS } from "./sqlite-regions.js";

/** Whatever the digest covers: the graph, where its parts came from, and what the region knows. */
export type RegionThing =
  | { readonly kind: "graph"; readonly thing: GraphThing }
  | { readonly kind: "thing" | "note"; readonly row: TextRecord };

const DIGEST_KEY = { thing: thingDigestKey, note: noteDigestKey } as const;
const TABLES = { thing: "region_things", note: "region_notes" } as const;
const COLUMNS = { thing: THING_COLUMNS, note: NOTE_COLUMNS } as const;
const ID = { thing: "key", note: "id" } as const;
const SLICE_ROWS_MAX = 256;
const SLICE_KEYS_MAX = 1_024;

type TextKind = "thing" | "note";

function keyOf(thing: RegionThing): string {
  return thing.kind === "graph" ? graphKeyOf(thing.thing) : DIGEST_KEY[thing.kind](thing.row.id);
}

function hashOf(thing: RegionThing): number {
  if (thing.kind === "graph") return graphShape.hashOf(thing.thing);
  return textHash(keyOf(thing), thing.row.text, thing.row.version);
}

export const regionShape: ContentShape<RegionThing> = {
  keyOf,
  hashOf,
  versionOf: (thing) =>
    thing.kind === "graph" ? graphShape.versionOf(thing.thing) : thing.row.version,
  toValue: (thing) => {
    if (thing.kind === "graph") return graphShape.toValue(thing.thing);
    const { text, version } = thing.row;
    return { text, version };
  },
};

function textKindOf(key: string): TextKind | undefined {
  return key.startsWith("r:") ? "thing" : key.startsWith("s:") ? "note" : undefined;
}

/** What a connection sees, as things; statements are over before a slice is handed out. */
export class RegionContent implements ContentSource<RegionThing> {
  readonly shape = regionShape;
  readonly #connection: Connection;
  readonly #graph: SqliteContent;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#graph = new SqliteContent(connection);
  }

  *things(): Iterable<readonly RegionThing[]> {
    for (const slice of this.#graph.things()) {
      yield slice.map((thing) => ({ kind: "graph", thing }));
    }
    yield* this.texts("thing");
    yield* this.texts("note");
  }

  *texts(kind: TextKind): Iterable<readonly (RegionThing & { readonly kind: TextKind })[]> {
    const slice: Statement = this.#connection.prepare(
      `SELECT rowid AS "rowid", ${COLUMNS[kind]} FROM ${TABLES[kind]} WHERE rowid > ?
       ORDER BY rowid LIMIT ${SLICE_ROWS_MAX}`,
    );
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const rows = slice.all(after) as (TextRecord & { readonly rowid: number })[];
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.rowid;
      yield rows.map(({ rowid: _, ...row }) => ({ kind, row }));
    }
  }

  *keys(): Iterable<readonly string[]> {
    yield* this.#graph.keys();
    for (const kind of ["thing", "note"] as const) {
      const next = this.#connection
        .prepare(
          `SELECT ${ID[kind]} FROM ${TABLES[kind]} WHERE ${ID[kind]} > ? ORDER BY 1
           LIMIT ${SLICE_KEYS_MAX}`,
        )
        .pluck();
      let ids = next.all("") as string[];
      while (ids.length > 0) {
        yield ids.map((id) => DIGEST_KEY[kind](id));
        ids = next.all(ids.at(-1)) as string[];
      }
    }
  }

  thing(key: string): RegionThing | undefined {
    const kind = textKindOf(key);
    if (kind === undefined) {
      const thing = this.#graph.thing(key);
      return thing === undefined ? undefined : { kind: "graph", thing };
    }
    const row = this.#connection
      .prepare(`SELECT ${COLUMNS[kind]} FROM ${TABLES[kind]} WHERE ${ID[kind]} = ?`)
      .get(key.slice(2));
    return row === undefined ? undefined : { kind, row: row as TextRecord };
  }

  appliedRow(index: number): AppliedRow | undefined {
    return this.#graph.appliedRow(index);
  }
}

/** See `ModelStore.repair`. */
export function repairRegion(
  connection: Connection,
  store: SqliteRegionStore,
  records: readonly ContentRecord[],
): Repaired {
  const graph = records.filter(({ key }) => textKindOf(key) === undefined);
  for (const { key, value } of records) {
    const kind = textKindOf(key);
    const id = key.slice(2);
    if (kind === "thing") store.replaceThing(id, toRecord(thingRecord, id, value));
    if (kind === "note") store.changeNote({ ...NO_TEXT, id }, toRecord(noteRecord, id, value));
  }
  const repaired = repairStore(connection, store, graph);
  const content = new RegionContent(connection);
  const totals = new ContentTotals();
  for (const kind of ["thing", "note"] as const) {
    const set = connection.prepare(`UPDATE ${TABLES[kind]} SET hash = ? WHERE ${ID[kind]} = ?`);
    for (const slice of content.texts(kind)) {
      for (const thing of slice) {
        const hash = hashOf(thing);
        totals.add(keyOf(thing), hash);
        if (thing.row.hash !== hash) set.run(hash, thing.row.id);
      }
    }
  }
  return { content: addTotals(repaired.content, totals.result()), counts: repaired.counts };
}

const NO_TEXT: TextRecord = { id: "", text: "", version: 0, hash: 0 };

function toRecord(make: typeof thingRecord, id: string, value: JsonValue): TextRecord | undefined {
  if (value === null) return undefined;
  const { text, version } = value as { readonly [name: string]: JsonValue };
  if (typeof text !== "string" || typeof version !== "number") {
    throw new Error(`the record of ${id} is wrong`);
  }
  return make(id, text, version);
}

function addTotals(a: Repaired["content"], b: Repaired["content"]): Repaired["content"] {
  const modulus = 2 ** 48;
  return {
    sums: a.sums.map((sum, shard) => (sum + (b.sums[shard] as number)) % modulus),
    counts: a.counts.map((count, shard) => count + (b.counts[shard] as number)),
  };
}

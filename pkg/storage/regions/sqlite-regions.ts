import type { Connection, Statement } from "../sqlite/connection.js";
import { SqliteStore } from "../sqlite/sqlite-store.js";
import {
  type ChangeRun,
  Mark,
  type RegionStore,
  type TextRecord,
  type ThingPlace,
} from "./region-store.js";
import { endsOf, isEdgeKey } from "./thing.js";
import { readThing } from "./thing-text.js";

export const REGION_TABLES = `
CREATE TABLE region_things (
  key TEXT UNIQUE NOT NULL, text TEXT NOT NULL, version INTEGER NOT NULL, hash INTEGER NOT NULL,
  marks INTEGER NOT NULL
);
CREATE INDEX region_marked ON region_things (key) WHERE marks > 0;
CREATE TABLE region_ends (
  node_id TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (node_id, key)
) WITHOUT ROWID;
CREATE TABLE region_notes (
  id TEXT UNIQUE NOT NULL, text TEXT NOT NULL, version INTEGER NOT NULL, hash INTEGER NOT NULL
);
CREATE TABLE region_changes (
  origin TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  texts TEXT NOT NULL, UNIQUE (origin, last_seq)
);
`;

export const THING_COLUMNS = "key AS id, text, version, hash";
export const NOTE_COLUMNS = "id, text, version, hash";

/** The graph and where each part of it came from, in SQLite. */
export class SqliteRegionStore extends SqliteStore implements RegionStore {
  readonly #connection: Connection;
  readonly #thing: Statement;
  readonly #addThing: Statement;
  readonly #setThing: Statement;
  readonly #statements = new Map<string, Statement>();

  constructor(connection: Connection) {
    super(connection);
    this.#connection = connection;
    this.#thing = connection.prepare(`SELECT ${THING_COLUMNS} FROM region_things WHERE key = ?`);
    this.#addThing = connection.prepare("INSERT INTO region_things VALUES (?, ?, ?, ?, ?)");
    this.#setThing = connection.prepare(
      "UPDATE region_things SET text = ?, version = ?, hash = ?, marks = ? WHERE key = ?",
    );
  }

  thing(key: string): TextRecord | undefined {
    return this.#thing.get(key) as TextRecord | undefined;
  }

  changeThing(
    before: TextRecord | undefined,
    after: TextRecord | undefined,
    { marks, newEnds, oldEnds }: ThingPlace,
  ): void {
    const { id } = (after ?? before) as TextRecord;
    for (const end of oldEnds) {
      this.#run("DELETE FROM region_ends WHERE node_id = ? AND key = ?", end, id);
    }
    if (after === undefined) {
      this.#run("DELETE FROM region_things WHERE key = ?", id);
      return;
    }
    const { text, version, hash } = after;
    if (before === undefined) this.#addThing.run(id, text, version, hash, marks);
    else this.#setThing.run(text, version, hash, marks, id);
    for (const end of newEnds)
      this.#run("INSERT OR IGNORE INTO region_ends VALUES (?, ?)", end, id);
  }

  markThing(key: string, marks: number): void {
    this.#run("UPDATE region_things SET marks = ? WHERE key = ? AND marks <> ?", marks, key, marks);
  }

  edgeKeysAt(nodeId: string): readonly string[] {
    return this.#prepared(
      `SELECT key FROM region_ends WHERE node_id = @node
       UNION SELECT 'e:' || id FROM edges WHERE from_id = @node
       UNION SELECT 'e:' || id FROM edges WHERE to_id = @node ORDER BY 1`,
    )
      .pluck()
      .all({ node: nodeId }) as string[];
  }

  markedKeys(marks: number, after: string, limit: number): readonly string[] {
    return this.#prepared(
      `SELECT key FROM region_things WHERE marks > 0 AND marks & ? > 0 AND key > ?
       ORDER BY key LIMIT ?`,
    )
      .pluck()
      .all(marks, after, limit) as string[];
  }

  notes(): Iterable<TextRecord> {
    return this.#prepared(`SELECT ${NOTE_COLUMNS} FROM region_notes`).all() as TextRecord[];
  }

  changeNote(before: TextRecord | undefined, after: TextRecord | undefined): void {
    if (after === undefined) {
      this.#run("DELETE FROM region_notes WHERE id = ?", before?.id);
      return;
    }
    const { id, text, version, hash } = after;
    this.#run("INSERT OR REPLACE INTO region_notes VALUES (?, ?, ?, ?)", id, text, version, hash);
  }

  appendChanges({ origin, firstSeq, texts }: ChangeRun): void {
    const lastSeq = firstSeq + texts.length - 1;
    const sql = "INSERT INTO region_changes VALUES (?, ?, ?, ?)";
    this.#run(sql, origin, firstSeq, lastSeq, texts.join("\n"));
  }

  dropChanges(origin: string, upTo: number): void {
    this.#run("DELETE FROM region_changes WHERE origin = ? AND last_seq <= ?", origin, upTo);
  }

  /** Puts a thing in its place whatever is there. */
  replaceThing(key: string, after: TextRecord | undefined): void {
    this.#run("DELETE FROM region_things WHERE key = ?", key);
    if (after === undefined) return;
    const newEnds = isEdgeKey(key) ? endsOf(readThing(key, after.text)) : [];
    const marks = Mark.fading | Mark.disputed | Mark.hidden;
    this.changeThing(undefined, after, { marks, newEnds, oldEnds: [] });
  }

  #run(sql: string, ...values: readonly unknown[]): void {
    this.#prepared(sql).run(...values);
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

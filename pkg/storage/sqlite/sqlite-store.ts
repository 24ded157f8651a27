import { valueKey } from "../canonical.js";
import type { ParsedKey, Thing } from "../content/thing.js";
import type { GraphStore } from "../graph-rules.js";
import { type EdgeRecord, type IndexRecord, indexId, type NodeRecord } from "../records.js";
import type { Connection, Statement } from "./connection.js";

const NODE = "id, labels, properties, version, hash";
const EDGE = 'id, from_id AS "from", to_id AS "to", type, properties, version, hash';

interface StoredIndex extends IndexRecord {
  readonly id: number;
}

/** The graph in SQLite as the engine changes it. Whoever owns the connection owns transactions. */
export class SqliteStore implements GraphStore {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();
  /** Declared indexes by `indexId`, and by label for upkeep. */
  #indexes = new Map<string, StoredIndex>();
  readonly #getNode: Statement;
  readonly #addNode: Statement;
  readonly #setNode: Statement;
  readonly #addLabel: Statement;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#getNode = connection.prepare(`SELECT ${NODE} FROM nodes WHERE id = ?`);
    this.#addNode = connection.prepare("INSERT INTO nodes VALUES (?, ?, ?, ?, ?)");
    this.#setNode = connection.prepare(
      "UPDATE nodes SET labels = ?, properties = ?, version = ?, hash = ? WHERE id = ?",
    );
    this.#addLabel = connection.prepare("INSERT INTO node_labels VALUES (?, ?)");
    this.reload();
  }

  /** Reads again what is kept in memory, after a rollback. */
  reload(): void {
    const rows = this.#connection
      .prepare("SELECT id, label, property, version, hash FROM indexes")
      .all() as StoredIndex[];
    this.#indexes = new Map(rows.map((row) => [indexId(row), row]));
  }

  node(id: string): NodeRecord | undefined {
    return this.#getNode.get(id) as NodeRecord | undefined;
  }

  edge(id: string): EdgeRecord | undefined {
    return this.#prepared(`SELECT ${EDGE} FROM edges WHERE id = ?`).get(id) as
      | EdgeRecord
      | undefined;
  }

  edgesOf(nodeId: string, limit: number): readonly EdgeRecord[] {
    return this.#prepared(
      `SELECT ${EDGE} FROM edges WHERE id IN (
         SELECT id FROM edges WHERE from_id = @node UNION SELECT id FROM edges WHERE to_id = @node
         ORDER BY id LIMIT @limit
       ) ORDER BY id`,
    ).all({ node: nodeId, limit }) as EdgeRecord[];
  }

  index(label: string, property: string): IndexRecord | undefined {
    return this.#indexes.get(indexId({ label, property }));
  }

  changeNode(id: string, before: NodeRecord | undefined, after: NodeRecord | undefined): void {
    if (before?.labels !== after?.labels) this.#changeLabels(id, before?.labels, after?.labels);
    if (this.#indexes.size > 0) this.#changeEntries(id, before, after);
    if (after === undefined) this.#prepared("DELETE FROM nodes WHERE id = ?").run(id);
    else if (before === undefined) {
      this.#addNode.run(id, after.labels, after.properties, after.version, after.hash);
    } else {
      this.#setNode.run(after.labels, after.properties, after.version, after.hash, id);
    }
  }

  changeEdge(id: string, before: EdgeRecord | undefined, after: EdgeRecord | undefined): void {
    if (after === undefined) {
      this.#prepared("DELETE FROM edges WHERE id = ?").run(id);
      return;
    }
    const { from, to, type, properties, version, hash } = after;
    const sql =
      before === undefined
        ? "INSERT INTO edges (from_id, to_id, type, properties, version, hash, id) VALUES (?, ?, ?, ?, ?, ?, ?)"
        : "UPDATE edges SET from_id = ?, to_id = ?, type = ?, properties = ?, version = ?, hash = ? WHERE id = ?";
    this.#prepared(sql).run(from, to, type, properties, version, hash, id);
  }

  changeIndex(before: IndexRecord | undefined, after: IndexRecord | undefined): void {
    if (before !== undefined) {
      const { id } = this.#indexes.get(indexId(before)) as StoredIndex;
      this.#prepared("DELETE FROM index_entries WHERE index_id = ?").run(id);
      this.#prepared("DELETE FROM indexes WHERE id = ?").run(id);
      this.#indexes.delete(indexId(before));
    }
    if (after === undefined) return;
    const { label, property, version, hash } = after;
    const { lastInsertRowid } = this.#prepared(
      "INSERT INTO indexes (label, property, version, hash) VALUES (?, ?, ?, ?)",
    ).run(label, property, version, hash);
    const index = { ...after, id: Number(lastInsertRowid) };
    this.#indexes.set(indexId(after), index);
    this.#fill(index);
  }

  /** Puts a thing in its place whatever is there: what stands there is not trusted, nor read. */
  replace({ kind, id }: ParsedKey, thing: Thing | undefined): void {
    if (kind === "i") {
      this.changeIndex(this.#indexes.get(id), thing?.kind === "i" ? thing.row : undefined);
    } else if (kind === "e") {
      this.changeEdge(id, undefined, undefined);
      if (thing?.kind === "e") this.changeEdge(id, undefined, thing.row);
    } else {
      this.#prepared("DELETE FROM node_labels WHERE node_id = ?").run(id);
      this.#prepared("DELETE FROM index_entries WHERE node_id = ?").run(id);
      this.#prepared("DELETE FROM nodes WHERE id = ?").run(id);
      if (thing?.kind === "n") this.changeNode(id, undefined, thing.row);
    }
  }

  /** An index over nodes that are there already; in slices, so that memory stays bounded. */
  #fill(index: StoredIndex): void {
    const slice = this.#prepared(
      `SELECT n.id, n.properties FROM node_labels l JOIN nodes n ON n.id = l.node_id
       WHERE l.label = ? AND l.node_id > ? ORDER BY l.node_id LIMIT 1000`,
    );
    let after = "";
    for (;;) {
      const nodes = slice.all(index.label, after) as { id: string; properties: string }[];
      for (const { id, properties } of nodes) this.#addEntry(index, id, JSON.parse(properties));
      const last = nodes.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  #addEntry(index: StoredIndex, id: string, properties: Readonly<Record<string, never>>): void {
    if (!Object.hasOwn(properties, index.property)) return;
    const key = valueKey(properties[index.property] as never);
    this.#prepared("INSERT INTO index_entries VALUES (?, ?, ?)").run(index.id, key, id);
  }

  #changeEntries(id: string, before: NodeRecord | undefined, after: NodeRecord | undefined): void {
    const remove = this.#prepared(
      "DELETE FROM index_entries WHERE index_id = ? AND value_key = ? AND node_id = ?",
    );
    const [old, now] = [parsed(before), parsed(after)];
    for (const index of this.#indexes.values()) {
      if (old?.labels.includes(index.label) && Object.hasOwn(old.properties, index.property)) {
        remove.run(index.id, valueKey(old.properties[index.property] as never), id);
      }
      if (now?.labels.includes(index.label)) this.#addEntry(index, id, now.properties);
    }
  }

  #changeLabels(id: string, before: string | undefined, after: string | undefined): void {
    const old: readonly string[] = JSON.parse(before ?? "[]");
    const now: readonly string[] = JSON.parse(after ?? "[]");
    for (const label of old) {
      if (!now.includes(label)) {
        this.#prepared("DELETE FROM node_labels WHERE label = ? AND node_id = ?").run(label, id);
      }
    }
    for (const label of now) if (!old.includes(label)) this.#addLabel.run(label, id);
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

interface ParsedNode {
  readonly labels: readonly string[];
  readonly properties: Readonly<Record<string, never>>;
}

function parsed(node: NodeRecord | undefined): ParsedNode | undefined {
  if (node === undefined) return undefined;
  return { labels: JSON.parse(node.labels), properties: JSON.parse(node.properties) };
}

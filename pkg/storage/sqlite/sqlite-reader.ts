import type { LogIndex } from "../../base/index.js";
import { valueKey } from "../canonical.js";
import { sumContent } from "../digest-sums.js";
import type {
  Change,
  EdgeQuery,
  GraphCounts,
  GraphEdge,
  GraphNode,
  NodeQuery,
  Page,
} from "../graph.js";
import { afterOf, checkLimit, matcherOf, toPage } from "../queries.js";
import {
  type EdgeRecord,
  type IndexRecord,
  type NodeRecord,
  toGraphEdge,
  toGraphNode,
} from "../records.js";
import type { Connection, Statement } from "./connection.js";
import { readState } from "./schema.js";
import { readChanges } from "./sqlite-rows.js";

const NODE = "id, labels, properties, version, hash";
const EDGE = 'id, from_id AS "from", to_id AS "to", type, properties, version, hash';

/** Reads what is committed. Every call is one consistent state. */
export class SqliteReader {
  readonly #connection: Connection;
  readonly #window: number;
  readonly #statements = new Map<string, Statement>();

  constructor(connection: Connection, rememberedRequestsMax: number) {
    this.#connection = connection;
    this.#window = rememberedRequestsMax;
  }

  getNode(id: string): GraphNode | undefined {
    const found = this.#prepared(`SELECT ${NODE} FROM nodes WHERE id = ?`).get(id);
    return found === undefined ? undefined : toGraphNode(found as NodeRecord);
  }

  getEdge(id: string): GraphEdge | undefined {
    const found = this.#prepared(`SELECT ${EDGE} FROM edges WHERE id = ?`).get(id);
    return found === undefined ? undefined : toGraphEdge(found as EdgeRecord);
  }

  findNodes(query: NodeQuery): Page<GraphNode> {
    checkLimit(query.limit);
    const after = afterOf(query.cursor);
    return this.#atOnce(() => {
      const matches = matcherOf(query);
      const found: NodeRecord[] = [];
      for (const node of this.#candidates(query, after)) {
        if (!matches(node)) continue;
        found.push(node);
        if (found.length > query.limit) break;
      }
      return toPage(found, query.limit, toGraphNode);
    });
  }

  /** True when `findNodes` would look at every node, or every node of a label, in the worst case. */
  isScan(query: NodeQuery): boolean {
    return (query.where ?? []).length > 0 && this.#usableIndex(query) === undefined;
  }

  findEdges(query: EdgeQuery): Page<GraphEdge> {
    checkLimit(query.limit);
    const side = (column: string) =>
      `SELECT ${EDGE} FROM edges WHERE ${column} = @node AND id > @after
       AND (@type IS NULL OR type = @type)`;
    const sides = { out: ["from_id"], in: ["to_id"], both: ["from_id", "to_id"] }[query.direction];
    const sql = `${sides.map(side).join(" UNION ")} ORDER BY id LIMIT @limit`;
    const found = this.#prepared(sql).all({
      node: query.nodeId,
      after: afterOf(query.cursor),
      type: query.type ?? null,
      limit: query.limit + 1,
    });
    return toPage(found as EdgeRecord[], query.limit, toGraphEdge);
  }

  counts(): GraphCounts {
    const { nodes = 0, edges = 0 } = readState(this.#connection)?.counts ?? {};
    return { nodes, edges };
  }

  indexes(): readonly { readonly label: string; readonly property: string }[] {
    const sql = "SELECT label, property FROM indexes ORDER BY label, property";
    return this.#prepared(sql).all() as { label: string; property: string }[];
  }

  /** @throws ReplicationError `COMPACTED` */
  changes(after: LogIndex, limit: number): Change[] {
    return readChanges(this.#connection, this.#window, after, limit);
  }

  /** The digest from the stored bytes, trusting no stored hash or sum. */
  recomputeShards(): readonly number[] {
    return this.#atOnce(() =>
      sumContent({
        nodes: this.#rows<NodeRecord>(`SELECT ${NODE} FROM nodes`),
        edges: this.#rows<EdgeRecord>(`SELECT ${EDGE} FROM edges`),
        indexes: this.#rows<IndexRecord>("SELECT label, property, version, hash FROM indexes"),
      }),
    );
  }

  #rows<R>(sql: string): IterableIterator<R> {
    return this.#connection.prepare(sql).iterate() as IterableIterator<R>;
  }

  #candidates(query: NodeQuery, after: string): IterableIterator<NodeRecord> {
    const index = this.#usableIndex(query);
    const node = "n.id, n.labels, n.properties, n.version, n.hash";
    if (index !== undefined) {
      return this.#prepared(
        `SELECT ${node} FROM index_entries e JOIN nodes n ON n.id = e.node_id
         WHERE e.index_id = ? AND e.value_key = ? AND e.node_id > ? ORDER BY e.node_id`,
      ).iterate(index.id, index.key, after) as IterableIterator<NodeRecord>;
    }
    if (query.label !== undefined) {
      return this.#prepared(
        `SELECT ${node} FROM node_labels l JOIN nodes n ON n.id = l.node_id
         WHERE l.label = ? AND l.node_id > ? ORDER BY l.node_id`,
      ).iterate(query.label, after) as IterableIterator<NodeRecord>;
    }
    return this.#prepared(`SELECT ${NODE} FROM nodes WHERE id > ? ORDER BY id`).iterate(
      after,
    ) as IterableIterator<NodeRecord>;
  }

  #usableIndex(query: NodeQuery): { readonly id: number; readonly key: string } | undefined {
    if (query.label === undefined) return undefined;
    for (const { property, value } of query.where ?? []) {
      const id = this.#prepared("SELECT id FROM indexes WHERE label = ? AND property = ?")
        .pluck()
        .get(query.label, property);
      if (typeof id === "number") return { id, key: valueKey(value) };
    }
    return undefined;
  }

  /** All reads of `body` see one state. */
  #atOnce<T>(body: () => T): T {
    return this.#connection.transaction(body)();
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

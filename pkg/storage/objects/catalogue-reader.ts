import { type LogIndex, toLogIndex } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import { ContentTotals } from "../content/inspect-content.js";
import type { Page } from "../graph.js";
import { afterOf, checkLimit, toPage } from "../queries.js";
import type { Connection, Statement } from "../sqlite/connection.js";
import { readState } from "../sqlite/schema.js";
import type {
  CatalogueCounts,
  Evictable,
  PageQuery,
  PendingPut,
  Segment,
  StoredObject,
} from "./catalogue.js";
import { liveReplicas, type MountOf, type ObjectRecord, type SegmentRecord } from "./records.js";
import { CatalogueContent, OBJECT_COLUMNS, SEGMENT_COLUMNS } from "./sqlite-catalogue.js";
import { hashOf, keyOf } from "./thing.js";

/** Reads what is committed. Every call is one consistent state. */
export class CatalogueReader {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  getObject(key: string): StoredObject | undefined {
    return this.#atOnce((mountOf) => {
      const row = this.#prepared(`SELECT ${OBJECT_COLUMNS} FROM objects WHERE key = ?`).get(key);
      return row === undefined ? undefined : visible(row as ObjectRecord, mountOf);
    });
  }

  findObjects(query: PageQuery & { readonly prefix?: string | undefined }): Page<StoredObject> {
    checkLimit(query.limit);
    const prefix = query.prefix ?? "";
    const after = afterOf(query.cursor);
    const sql = `SELECT ${OBJECT_COLUMNS} FROM objects WHERE key > ? AND key >= ? ORDER BY key`;
    return this.#atOnce((mountOf) => {
      const found: Identified<StoredObject>[] = [];
      for (const row of this.#rows<ObjectRecord>(sql, after, prefix)) {
        if (!row.key.startsWith(prefix)) break;
        const object = visible(row, mountOf);
        if (object === undefined) continue;
        found.push({ id: row.key, item: object });
        if (found.length > query.limit) break;
      }
      return toPage(found, query.limit, itemOf);
    });
  }

  pendingPuts(query: PageQuery): Page<PendingPut> {
    checkLimit(query.limit);
    const sql = `SELECT ${OBJECT_COLUMNS} FROM objects WHERE complete = 0 AND key > ? ORDER BY key LIMIT ?`;
    const rows = this.#rows<ObjectRecord>(sql, afterOf(query.cursor), query.limit + 1);
    const found = [...rows].map(({ key, put, startedMs }) => ({
      id: key,
      item: { key, put: toLogIndex(put), startedMs },
    }));
    return toPage(found, query.limit, itemOf);
  }

  segments(): readonly Segment[] {
    const sql = `SELECT ${SEGMENT_COLUMNS} FROM segments ORDER BY segment`;
    return [...this.#rows<SegmentRecord>(sql)].map((row) => ({
      segment: row.segment,
      address: row.address,
      bytes: row.bytes,
      used: row.used,
      version: row.version as LogIndex,
    }));
  }

  evictable(query: PageQuery): Page<Evictable> {
    checkLimit(query.limit);
    const after = Number(afterOf(query.cursor));
    if (!Number.isSafeInteger(after)) {
      throw new ReplicationError("INVALID", "cursor is not one that a page came with", {
        field: "cursor",
      });
    }
    const sql = `SELECT id, ${OBJECT_COLUMNS} FROM objects WHERE id > ? ORDER BY id`;
    return this.#atOnce((mountOf) => {
      const found: Identified<Evictable>[] = [];
      for (const row of this.#rows<ObjectRecord & { id: number }>(sql, after)) {
        const live = liveReplicas(row, mountOf);
        if (row.complete === 0 && live.length > 0) continue;
        const bytes = live.reduce((sum, replica) => sum + replica.bytes, 0);
        found.push({ id: String(row.id), item: { key: row.key, version: row.version, bytes } });
        if (found.length > query.limit) break;
      }
      return toPage(found, query.limit, itemOf);
    });
  }

  counts(): CatalogueCounts {
    const { objects = 0, pending = 0, segments = 0 } = readState(this.#connection)?.counts ?? {};
    return { objects, pending, segments };
  }

  /** The digest from the stored bytes, trusting no stored hash or sum. */
  recomputeShards(): readonly number[] {
    return this.#connection.transaction(() => {
      const totals = new ContentTotals();
      for (const slice of new CatalogueContent(this.#connection).things()) {
        for (const thing of slice) totals.add(keyOf(thing), hashOf(thing));
      }
      return totals.result().sums;
    })();
  }

  /** All reads of `body` see one state. */
  #atOnce<T>(body: (mountOf: MountOf) => T): T {
    const mount = this.#prepared("SELECT mount FROM segments WHERE segment = ?").pluck();
    const known = new Map<string, number | undefined>();
    const mountOf = (segment: string) => {
      if (!known.has(segment)) known.set(segment, mount.get(segment) as number | undefined);
      return known.get(segment);
    };
    return this.#connection.transaction(() => body(mountOf))();
  }

  #rows<R>(sql: string, ...values: readonly (string | number)[]): IterableIterator<R> {
    return this.#prepared(sql).iterate(...values) as IterableIterator<R>;
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

interface Identified<T> {
  readonly id: string;
  readonly item: T;
}

function itemOf<T>({ item }: Identified<T>): T {
  return item;
}

function visible(row: ObjectRecord, mountOf: MountOf): StoredObject | undefined {
  if (row.complete === 0) return undefined;
  const replicas = liveReplicas(row, mountOf);
  if (replicas.length === 0) return undefined;
  return { key: row.key, replicas, version: toLogIndex(row.version) };
}

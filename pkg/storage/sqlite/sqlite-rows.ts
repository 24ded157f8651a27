import type { LogIndex } from "../../base/index.js";
import type { Change, Effect } from "../graph.js";
import { changesFloor, checkKept, checkLimit, toChanges } from "../queries.js";
import type { AppliedRow, AppliedRows } from "../state-engine.js";
import type { Connection, Statement } from "./connection.js";
import { readState } from "./schema.js";

const COLUMNS =
  'first_index AS "firstIndex", last_index AS "lastIndex", requests, results, effects';

/** Ids, results and effects of applied commands, in the file of whatever state machine. */
export class SqliteRows implements AppliedRows {
  readonly #connection: Connection;
  readonly #append: Statement;
  readonly #covering: Statement;
  readonly #drop: Statement;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#append = connection.prepare("INSERT INTO applied VALUES (?, ?, ?, ?, ?)");
    this.#covering = connection.prepare(
      `SELECT ${COLUMNS} FROM applied WHERE last_index >= ? ORDER BY last_index LIMIT 1`,
    );
    this.#drop = connection.prepare("DELETE FROM applied WHERE last_index <= ?");
  }

  appendApplied({ lastIndex, firstIndex, requests, results, effects }: AppliedRow): void {
    this.#append.run(lastIndex, firstIndex, requests, results, effects);
  }

  appliedRow(index: number): AppliedRow | undefined {
    return this.#covering.get(index) as AppliedRow | undefined;
  }

  /** Rows with anything above the index, oldest first, without what only the change stream needs. */
  requestRows(above: number): IterableIterator<AppliedRow> {
    return this.#connection
      .prepare(
        `SELECT first_index AS "firstIndex", last_index AS "lastIndex", requests, '' AS results,
         '' AS effects FROM applied WHERE last_index > ? ORDER BY last_index`,
      )
      .iterate(above) as IterableIterator<AppliedRow>;
  }

  dropApplied(upTo: number): void {
    this.#drop.run(upTo);
  }
}

/**
 * The change stream from what is committed, as one consistent state.
 * @throws ReplicationError `COMPACTED`
 */
export function readChanges<E = Effect>(
  connection: Connection,
  rememberedRequestsMax: number,
  after: LogIndex,
  limit: number,
): Change<E>[] {
  checkLimit(limit);
  return connection.transaction(() => {
    const state = readState(connection);
    const applied = state?.position.index ?? 0;
    checkKept(after, changesFloor(applied, state?.changesFrom ?? 0, rememberedRequestsMax));
    const rows = connection
      .prepare(`SELECT ${COLUMNS} FROM applied WHERE last_index > ? ORDER BY last_index`)
      .iterate(after);
    return toChanges<E>(rows as IterableIterator<AppliedRow>, after, limit);
  })();
}

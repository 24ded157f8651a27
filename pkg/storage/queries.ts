import { type LogIndex, type Position, toLogIndex } from "../base/index.js";
import { ReplicationError } from "../replication/errors.js";
import { StateMachineError } from "../replication/ports/index.js";
import { canonicalText } from "./canonical.js";
import type { Change, EdgeQuery, Effect, NodeQuery, Page } from "./graph.js";
import { STORAGE_LIMITS } from "./limits.js";
import type { EdgeRecord, NodeRecord } from "./records.js";
import type { AppliedRow } from "./state-engine.js";

/** @throws ReplicationError `INVALID` naming the field */
export function checkLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= STORAGE_LIMITS.pageMax) return;
  throw new ReplicationError("INVALID", `limit must be from 1 to ${STORAGE_LIMITS.pageMax}`, {
    field: "limit",
  });
}

/** @throws ReplicationError `LAGGING`: the caller asked for what was not applied yet */
export function checkApplied(applied: Position, atLeast: Position): void {
  if (applied.index >= atLeast.index) return;
  throw new ReplicationError(
    "LAGGING",
    `entry ${atLeast.index} is asked for, ${applied.index} is applied`,
  );
}

/** A commit for a reader found no space: what it asked for is safe in the log, but not readable. */
export function notReadable(error: unknown, atLeast: Position): unknown {
  if (!(error instanceof StateMachineError && error.code === "STORAGE_FULL")) return error;
  return new ReplicationError(
    "LAGGING",
    `entry ${atLeast.index} is in the log, but cannot be read while the disk is full`,
    { retryAfterMs: 1_000, hint: "make space, or read with consistency=ONE and no bookmark" },
    { cause: error },
  );
}

/** @returns the id after which a page begins; empty: at the start */
export function afterOf(cursor: string | undefined): string {
  if (cursor === undefined || cursor === "") return "";
  const id = Buffer.from(cursor, "base64url").toString("utf8");
  if (cursorOf(id) === cursor) return id;
  throw new ReplicationError("INVALID", "cursor is not one that a page came with", {
    field: "cursor",
    hint: "begin again without a cursor",
  });
}

function cursorOf(id: string): string {
  return Buffer.from(id).toString("base64url");
}

/** @param found - up to `limit + 1` items in order; one too many means that there is a next page */
export function toPage<R extends { readonly id: string }, T>(
  found: readonly R[],
  limit: number,
  toItem: (record: R) => T,
): Page<T> {
  const items = found.slice(0, limit).map(toItem);
  const last = found[limit - 1];
  return found.length > limit && last !== undefined
    ? { items, cursor: cursorOf(last.id) }
    : { items };
}

/** A test for the `where` part alone. */
export function matcherOf(query: NodeQuery): (node: NodeRecord) => boolean {
  const wanted = (query.where ?? []).map(
    ({ property, value }) => [property, canonicalText(value)] as const,
  );
  if (wanted.length === 0) return () => true;
  return (node) => {
    const properties = JSON.parse(node.properties);
    return wanted.every(
      ([property, text]) =>
        Object.hasOwn(properties, property) && canonicalText(properties[property]) === text,
    );
  };
}

export function matchesEdge(edge: EdgeRecord, query: EdgeQuery): boolean {
  if (query.type !== undefined && edge.type !== query.type) return false;
  if (query.direction === "out") return edge.from === query.nodeId;
  if (query.direction === "in") return edge.to === query.nodeId;
  return edge.from === query.nodeId || edge.to === query.nodeId;
}

/** The index at and below which changes are not answered any more; it depends on the log alone. */
export function changesFloor(applied: number, changesFrom: number, window: number): number {
  return Math.max(changesFrom, applied - window, 0);
}

/** @throws ReplicationError `COMPACTED` */
export function checkKept(after: LogIndex, floor: number): void {
  if (after >= floor) return;
  throw new ReplicationError(
    "COMPACTED",
    `changes after ${after} are not all kept; the oldest that are begin after ${floor}`,
    { hint: "read the whole graph again, then go on from its position" },
  );
}

/** @param rows - rows with changes above `after`, oldest first */
export function toChanges<E = Effect>(
  rows: Iterable<AppliedRow>,
  after: number,
  limit: number,
): Change<E>[] {
  const changes: Change<E>[] = [];
  for (const row of rows) {
    const requests: (number | string)[] = JSON.parse(row.requests);
    const effects: (readonly E[])[] = JSON.parse(row.effects);
    for (let i = 0; i < effects.length; i += 1) {
      const index = requests[i * 3] as number;
      const list = effects[i] as readonly E[];
      if (index <= after || list.length === 0) continue;
      changes.push({
        index: toLogIndex(index),
        requestId: requests[i * 3 + 2] as string,
        effects: list,
      });
      if (changes.length === limit) return changes;
    }
  }
  return changes;
}

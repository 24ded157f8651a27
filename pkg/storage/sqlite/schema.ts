import { StateMachineError } from "../../replication/ports/index.js";
import { type EngineState, toPosition } from "../state-engine.js";
import type { Connection } from "./connection.js";

/** Grows with every change of the tables below; see `pkg/storage/SPEC.md`. */
export const FORMAT_VERSION = 1;

const TABLES = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE nodes (
  id TEXT UNIQUE NOT NULL, labels TEXT NOT NULL, properties TEXT NOT NULL,
  version INTEGER NOT NULL, hash INTEGER NOT NULL
);
CREATE TABLE node_labels (
  label TEXT NOT NULL, node_id TEXT NOT NULL, PRIMARY KEY (label, node_id)
) WITHOUT ROWID;
CREATE TABLE edges (
  id TEXT UNIQUE NOT NULL, from_id TEXT NOT NULL, to_id TEXT NOT NULL, type TEXT NOT NULL,
  properties TEXT NOT NULL, version INTEGER NOT NULL, hash INTEGER NOT NULL
);
CREATE INDEX edges_by_from ON edges (from_id, id);
CREATE INDEX edges_by_to ON edges (to_id, id);
CREATE TABLE indexes (
  id INTEGER PRIMARY KEY, label TEXT NOT NULL, property TEXT NOT NULL,
  version INTEGER NOT NULL, hash INTEGER NOT NULL, UNIQUE (label, property)
);
CREATE TABLE index_entries (
  index_id INTEGER NOT NULL, value_key TEXT NOT NULL, node_id TEXT NOT NULL,
  PRIMARY KEY (index_id, value_key, node_id)
) WITHOUT ROWID;
CREATE TABLE applied (
  last_index INTEGER PRIMARY KEY, first_index INTEGER NOT NULL,
  requests TEXT NOT NULL, results TEXT NOT NULL, effects TEXT NOT NULL
);
`;

/** What a file was made for; it cannot change afterwards. */
export interface StoreIdentity {
  readonly clusterId: string | undefined;
  readonly rememberedRequestsMax: number;
}

/**
 * Makes the tables in an empty file, or checks that an old one is ours.
 * @throws StateMachineError `STORAGE_FAILED` naming both sides of the difference
 */
export function prepareSchema(connection: Connection, identity: StoreIdentity): void {
  const tables = connection
    .prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
    .pluck()
    .get();
  if (tables === 0) {
    connection.transaction(() => {
      connection.exec(TABLES);
      writeMeta(connection, "format", FORMAT_VERSION);
      writeMeta(connection, "remembered_requests_max", identity.rememberedRequestsMax);
      if (identity.clusterId !== undefined) writeMeta(connection, "cluster_id", identity.clusterId);
    })();
    return;
  }
  const problem = identityProblem(connection, identity);
  if (problem !== undefined) throw new StateMachineError("STORAGE_FAILED", problem);
  if (identity.clusterId !== undefined) writeMeta(connection, "cluster_id", identity.clusterId);
}

/** @returns what speaks against using the file for `identity`, if anything */
export function identityProblem(
  connection: Connection,
  identity: StoreIdentity,
): string | undefined {
  const format = readMeta(connection, "format");
  if (format !== FORMAT_VERSION) {
    return `the state has format ${String(format)}, this program reads ${FORMAT_VERSION}`;
  }
  const window = readMeta(connection, "remembered_requests_max");
  if (window !== identity.rememberedRequestsMax) {
    return `the state remembers ${String(window)} requests, the settings say ${identity.rememberedRequestsMax}; it cannot change`;
  }
  const clusterId = readMeta(connection, "cluster_id");
  if (clusterId !== undefined && identity.clusterId !== undefined) {
    if (clusterId !== identity.clusterId) {
      return `the state is of cluster "${String(clusterId)}", this node belongs to "${identity.clusterId}"`;
    }
  }
  return undefined;
}

function writeMeta(connection: Connection, key: string, value: unknown): void {
  connection.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)").run(key, value);
}

function readMeta(connection: Connection, key: string): unknown {
  return connection.prepare("SELECT value FROM meta WHERE key = ?").pluck().get(key);
}

const STATE_KEY = "state";
const DIGEST_KEY = "digest";

/** Call inside the transaction that holds what the state describes. */
export function writeState(connection: Connection, state: EngineState): void {
  const { digest, ...rest } = state;
  writeMeta(connection, STATE_KEY, JSON.stringify(rest));
  writeMeta(connection, DIGEST_KEY, Buffer.from(digest));
}

/** @returns undefined for a store that nothing was written to */
export function readState(connection: Connection): EngineState | undefined {
  const text = readMeta(connection, STATE_KEY);
  const digest = readMeta(connection, DIGEST_KEY);
  if (typeof text !== "string" || !Buffer.isBuffer(digest)) return undefined;
  const state = JSON.parse(text);
  return { ...state, position: toPosition(state.position.index, state.position.term), digest };
}

import { StateMachineError } from "../../replication/ports/index.js";
import { type EngineState, type StateRules, toPosition } from "../state-engine.js";
import type { Connection } from "./connection.js";
import type { SqliteModel } from "./model.js";

/** Grows with every change of the tables; see `pkg/storage/SPEC.md`. */
export const FORMAT_VERSION = 1;

/** In every file, whatever else it holds. */
const COMMON_TABLES = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE applied (
  last_index INTEGER PRIMARY KEY, first_index INTEGER NOT NULL,
  requests TEXT NOT NULL, results TEXT NOT NULL, effects TEXT NOT NULL
);
`;

/** What a file was made for; it cannot change afterwards. */
export interface StoreIdentity {
  /** Of which state machine it is. */
  readonly model: string;
  readonly clusterId: string | undefined;
  readonly rememberedRequestsMax: number;
}

/**
 * Makes the tables in an empty file, those of the state machine too, or checks that an old one is ours.
 * @throws StateMachineError `STORAGE_FAILED` naming both sides of the difference
 */
export function prepareSchema(
  connection: Connection,
  identity: StoreIdentity,
  model: Pick<SqliteModel<StateRules>, "tables" | "growsFrom">,
): void {
  const tables = connection
    .prepare("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")
    .pluck()
    .get();
  if (tables === 0) {
    connection.transaction(() => {
      connection.exec(COMMON_TABLES);
      connection.exec(model.tables);
      writeMeta(connection, "model", identity.model);
      writeMeta(connection, "format", FORMAT_VERSION);
      writeMeta(connection, "remembered_requests_max", identity.rememberedRequestsMax);
      if (identity.clusterId !== undefined) writeMeta(connection, "cluster_id", identity.clusterId);
    })();
    return;
  }
  const { growsFrom } = model;
  const grows = growsFrom !== undefined && storedModel(connection) === growsFrom.name;
  const expected = grows ? { ...identity, model: growsFrom.name } : identity;
  const problem = identityProblem(connection, expected);
  if (problem !== undefined) throw new StateMachineError("STORAGE_FAILED", problem);
  connection.transaction(() => {
    if (grows) {
      connection.exec(growsFrom.tables);
      writeMeta(connection, "model", identity.model);
    }
    if (identity.clusterId !== undefined) writeMeta(connection, "cluster_id", identity.clusterId);
  })();
}

/** Files from before there were others hold the graph. */
export function storedModel(connection: Connection): unknown {
  return readMeta(connection, "model") ?? "graph";
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
  const model = storedModel(connection);
  if (model !== identity.model) {
    return `the file holds ${String(model)}, not ${identity.model}`;
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

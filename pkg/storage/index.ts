export { type DecodedCommand, decodeCommand, encodeOperations } from "./commands.js";
export type {
  Change,
  EdgeQuery,
  Effect,
  GraphCounts,
  GraphEdge,
  GraphNode,
  GraphReader,
  NodeQuery,
  Operation,
  OperationResult,
  Page,
  Precondition,
  Properties,
  PropertyValue,
  PutEdge,
  PutNode,
} from "./graph.js";
export { type CommandKeys, edgeKey, keysOfCommand, nodeKey } from "./keys-of-command.js";
export { STORAGE_LIMITS } from "./limits.js";
export {
  createMemoryStorage,
  type MemoryStorage,
  type MemoryStorageOptions,
} from "./memory/memory-storage.js";
export { sqliteVersion } from "./sqlite/connection.js";
export { openSqliteStorage } from "./sqlite/open-sqlite-storage.js";
export type { SqliteStorage, SqliteStorageOptions } from "./sqlite/sqlite-storage.js";
export type { Storage } from "./storage.js";
export {
  connectStateMachine,
  serveStateMachine,
  type WriterPortSource,
} from "./threads/state-machine-port.js";
export { validateOperations } from "./validate.js";

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
export type {
  CatalogueCounts,
  Evictable,
  ObjectCatalogue,
  ObjectEffect,
  ObjectOperation,
  ObjectResult,
  PendingPut,
  Replica,
  Segment,
  StoredObject,
} from "./objects/catalogue.js";
export { encodeObjectOperation, ObjectCommandType } from "./objects/commands.js";
export { OBJECT_LIMITS } from "./objects/limits.js";
export { ObjectLeases, type ObjectLeasesOptions } from "./objects/object-leases.js";
export {
  type ObjectCatalogueOptions,
  openObjectCatalogue,
  type SqliteObjectCatalogue,
} from "./objects/open-object-catalogue.js";
export {
  type EvictionPlan,
  type EvictionWish,
  planEviction,
} from "./objects/plan-eviction.js";
export type { ClosedConflict, Conflict, ConflictVersion } from "./regions/conflict.js";
export type { ConflictNews, ConflictNotice } from "./regions/conflict-news.js";
export type { Image, Resolver } from "./regions/decide.js";
export { REGION_LIMITS } from "./regions/limits.js";
export {
  type ConflictReads,
  openRegionStorage,
  type RegionStorage,
  type RegionStorageOptions,
} from "./regions/open-region-storage.js";
export {
  encodeRegionOperation,
  REGION_COMMAND,
  type RegionOperation,
} from "./regions/region-commands.js";
export type { ConflictPage, EndedConflict } from "./regions/region-reader.js";
export { type RegionSettings, STRATEGIES, type StrategyName } from "./regions/region-settings.js";
export type { Choice } from "./regions/resolve-conflict.js";
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

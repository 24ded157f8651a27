export type { LogIndex, NodeId, Position, RequestId, Term } from "./base/index.js";
export {
  type Config,
  ConfigError,
  type LoadedConfig,
  type LoadOptions,
  loadConfig,
} from "./config/index.js";
export {
  type ApplyOptions,
  type Command,
  CommandType,
  type Durability,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type Health,
  type Mode,
  type Outcome,
  type ReadLevel,
  type ReadOptions,
  type Receipt,
  ReplicationError,
  type Replicator,
  type ReplicatorEvent,
  type WriteOptions,
} from "./replication/index.js";
export type {
  ApplyResult,
  Digest,
  Entry,
  SnapshotReader,
  StateMachine,
} from "./replication/ports/index.js";
export { StateMachineError } from "./replication/ports/index.js";
export type { LogFields, Logger, LogLevel, Metrics } from "./runtime/index.js";
export { type CreateReplicatorOptions, createReplicator } from "./wiring/index.js";

export type {
  AnswerData,
  FromNode,
  NodeChannel,
  OpenChannel,
  ToNode,
} from "./client/channel.js";
export { describeFailure, type HostParts, NodeHost } from "./client/node-host.js";
export { type ClientParts, ReplicatorClient } from "./client/replicator-client.js";
export { type Command, CommandType, type CommandTypeCode } from "./command.js";
export type { NodeIdentity } from "./driver/node.js";
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorData,
  type ErrorDetails,
  fromErrorData,
  type Outcome,
  ReplicationError,
  toErrorData,
} from "./errors.js";
export { checkLimits, DEFAULT_LIMITS, type ReplicationLimits } from "./limits.js";
export { type PackedPayloads, PayloadPacker, unpackPayloads } from "./payload.js";
export {
  type ApplyOptions,
  DURABILITIES,
  type Durability,
  type Health,
  MODES,
  type Mode,
  type PeerHealth,
  READ_LEVELS,
  type ReadLevel,
  type ReadOptions,
  type Receipt,
  type RegionHealth,
  type Replicator,
  type ReplicatorEvent,
  type WriteOptions,
} from "./replicator.js";
export { StandaloneMode } from "./standalone/mode.js";

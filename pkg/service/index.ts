export {
  DURABILITIES,
  type Durability,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type Health,
  type Outcome,
  type PeerHealth,
  READ_LEVELS,
  type ReadLevel,
  type Receipt,
  ReplicationError,
  type ReplicatorEvent,
} from "../replication/index.js";
export type { SnapshotReader } from "../replication/ports/index.js";
export type {
  Change,
  EdgeQuery,
  Effect,
  GraphCounts,
  GraphEdge,
  GraphNode,
  NodeQuery,
  Operation,
  OperationResult,
  Page,
  Precondition,
  Properties,
  PropertyValue,
} from "../storage/index.js";
export { Admission } from "./admission.js";
export {
  type AuthenticationPolicy,
  Authenticator,
  type Credentials,
  type Principal,
  parsePasswordPolicy,
  parseTokens,
  type Role,
  SecretDigest,
  type TokenEntry,
} from "./authentication.js";
export { parseBookmark, toBookmark } from "./bookmark.js";
export { createService, type ServiceParts, type ServiceStorage } from "./create-service.js";
export { parseDurationMs } from "./duration.js";
export { CHECK_NAMES, type CheckName, type CheckResult, toCheckName } from "./health-checks.js";
export type { HistoryEntry } from "./history.js";
export { SERVICE_LIMITS, type ServiceLimits } from "./limits.js";
export type {
  AdminAction,
  AdminActions,
  ChangesRequest,
  ReadAnswer,
  ReadOptions,
  ReplicasReport,
  Service,
  ServiceEvent,
  VerifyReport,
  WriteAnswer,
  WriteOptions,
} from "./service.js";

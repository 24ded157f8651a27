export {
  type AcquireRequest,
  ARBITER_ERROR_CODES,
  type Arbiter,
  ArbiterError,
  type ArbiterErrorCode,
  type InSyncRequest,
  type LeaseAnswer,
  type LeaseRecord,
  type ReleaseRequest,
  type RenewRequest,
} from "./arbiter.js";
export type {
  ComparableContent,
  ContentAnswers,
  ContentKey,
  ContentQuery,
  ContentRecord,
  ContentSums,
  ShardSample,
} from "./content.js";
export type { Entry, EntryKind } from "./entry.js";
export { LOG_ERROR_CODES, LogError, type LogErrorCode, type LogErrorDetails } from "./log-error.js";
export type { HardState, LogOutline, LogStore } from "./log-store.js";
export { MessageType } from "./message-type.js";
export type {
  ChangeLimits,
  KeptChanges,
  Promotion,
  RegionFacts,
  RegionLog,
  Vector,
} from "./regions.js";
export {
  type ApplyResult,
  type Digest,
  type SnapshotReader,
  type StateMachine,
  StateMachineError,
} from "./state-machine.js";
export type {
  CallOptions,
  PeerConnection,
  PeerMessage,
  PeerPayload,
  RequestHandler,
  Transport,
} from "./transport.js";
export {
  TRANSPORT_ERROR_CODES,
  TransportError,
  type TransportErrorCode,
  type TransportErrorDetails,
} from "./transport-error.js";

export { LOG_ERROR_CODES, LogError, type LogErrorCode, type LogErrorDetails } from "./log-error.js";
export type { Entry, EntryKind } from "./entry.js";
export type { HardState, LogStore } from "./log-store.js";
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
  RequestHandler,
  Transport,
} from "./transport.js";

export {
  CHECK_LIMITS,
  type CheckLimits,
  type CheckReport,
  checkLinearizability,
  type Verdict,
} from "./check.js";
export { describe, type Explanation } from "./explain.js";
export {
  type CompareAndSet,
  type Delete,
  type DeleteOutcome,
  type Done,
  type Expectation,
  HistoryError,
  type Mismatch,
  type Operation,
  type Read,
  type ReadOutcome,
  type Refused,
  type Unknown,
  type Value,
  type Write,
} from "./operation.js";
export { checkPresence, type PresenceInput, type PresenceReport } from "./presence.js";
export { clockOrder, countedOrder, HistoryRecorder, type Order, type Pending } from "./recorder.js";

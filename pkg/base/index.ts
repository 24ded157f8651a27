export { BoundedQueue } from "./bounded-queue.js";
export { type Deferred, deferred } from "./deferred.js";
export { closeInOrder } from "./disposal.js";
export {
  isSafeCount,
  type LogIndex,
  NO_POSITION,
  type NodeId,
  type Position,
  parseNodeId,
  parseRegionId,
  parseRequestId,
  type RegionId,
  type RequestId,
  type Term,
  toLogIndex,
  toTerm,
} from "./ids.js";
export { InvariantViolation, invariant, unreachable } from "./invariant.js";
export type { Awaitable, JsonObject, JsonValue } from "./json.js";

import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { Entry } from "../ports/index.js";

/**
 * What the nodes of a pair tell each other. Plain data; the sender's id travels beside it. Each may
 * be lost, doubled, late or out of order. `epoch` is the sender's newest epoch, which is the term of
 * the log; `disk` is the sender's disk id, made with its data directory.
 */
export type HaMessage =
  | HaHeartbeat
  | HaHeartbeatResponse
  | WalBatch
  | WalAck
  | PositionQuery
  | PositionAnswer
  | Fence
  | FenceResponse
  | Promote
  | PromoteResponse;

/** From where on entries have which epoch, newest part of a log; nothing is said below `base`. */
export interface EpochTable {
  readonly base: Position;
  readonly runs: readonly { readonly first: LogIndex; readonly term: Term }[];
  readonly last: LogIndex;
}

/**
 * Wire: 7, all but `WALPosition` (`last.index`) under `x`. From a primary to each standby, at least
 * once in `heartbeatTicks`. `at` is the primary's tick, sent back: a promise counts from there.
 */
export interface HaHeartbeat {
  readonly kind: "heartbeat";
  readonly epoch: Term;
  readonly at: number;
  readonly round: number;
  readonly last: Position;
  readonly commit: LogIndex;
  /** The primary may acknowledge now: its lease or the word of its standbys holds. */
  readonly authority: boolean;
  /** This standby, on disk `disk`, is in the recorded set of those that may be promoted. */
  readonly inSync: boolean;
  /** The disk that the primary last heard this standby from; null: none yet. */
  readonly disk: string | null;
  /** Sent until the standby has said that its log is a prefix of the primary's. */
  readonly table: EpochTable | null;
}

/** Wire: 8, `WALPosition` is `durable`. `epoch` above the heartbeat's: the primary is deposed. */
export interface HaHeartbeatResponse {
  readonly kind: "heartbeat_response";
  readonly epoch: Term;
  readonly at: number;
  readonly round: number;
  readonly disk: string;
  /** The log up to `received` is a prefix of the primary's; false: not known, or not yet. */
  readonly aligned: boolean;
  readonly received: LogIndex;
  readonly durable: LogIndex;
  readonly applied: LogIndex;
  /**
   * "I seek no promotion within one lease from now." Only that lets a primary go on without its
   * arbiter.
   */
  readonly promise: boolean;
}

/** Wire: 5; `entries[i].index === prev.index + 1 + i`. The epoch and `prev` travel under `x`. */
export interface WalBatch {
  readonly kind: "wal_batch";
  readonly epoch: Term;
  readonly prev: Position;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

/**
 * Wire: 6, `ReceivedPosition` and `AckedPosition`. Always true positions, also when nothing was
 * taken. `gapAt`: the batch began after that index and did not fit; entries behind it are needed.
 */
export interface WalAck {
  readonly kind: "wal_ack";
  readonly epoch: Term;
  readonly disk: string;
  readonly aligned: boolean;
  readonly received: LogIndex;
  readonly durable: LogIndex;
  readonly gapAt: LogIndex | null;
}

/** Wire: new. Asks a node where it is; changes nothing there. `id` comes back. */
export interface PositionQuery {
  readonly kind: "position_query";
  readonly epoch: Term;
  readonly id: number;
}

/** Wire: new. */
export interface PositionAnswer {
  readonly kind: "position_answer";
  readonly epoch: Term;
  readonly id: number;
  readonly disk: string;
  /** The last durable entry. */
  readonly last: Position;
  /** It is primary, or heard one within a failover timeout. */
  readonly primary: NodeId | null;
}

/**
 * Wire: 9. "From now on obey no epoch below `epoch`." `candidate` means to lead that epoch or a
 * later one. Not above the receiver's epoch: refused.
 */
export interface Fence {
  readonly kind: "fence";
  readonly epoch: Term;
  readonly candidate: NodeId;
  readonly reason: string;
}

/** Wire: 10. Leaves only after the epoch is durable. `epoch` above the request's: refused. */
export interface FenceResponse {
  readonly kind: "fence_response";
  readonly epoch: Term;
  readonly forEpoch: Term;
  readonly fenced: boolean;
  readonly disk: string;
  readonly last: Position;
}

/** Wire: 11. A primary that has stopped asks this standby to take over at `last`. */
export interface Promote {
  readonly kind: "promote";
  readonly epoch: Term;
  readonly last: Position;
  readonly reason: string;
}

/** Wire: 12. */
export interface PromoteResponse {
  readonly kind: "promote_response";
  readonly epoch: Term;
  readonly forEpoch: Term;
  readonly ready: boolean;
  readonly reason: string;
}

import type { LogIndex, NodeId, Position, Term } from "../../../base/index.js";
import type { Effect, Input, Proposal, Step } from "../../driver/effects.js";
import type { HardState, LeaseRecord } from "../../ports/index.js";
import type { TermRun } from "../../progress/index.js";
import type { HaMessage } from "../messages.js";

type Durability = Extract<Effect, { kind: "answer" }>["durability"];
type Shared<Kind extends Input["kind"]> = Extract<Input, { kind: Kind }>;

/** What happened at the arbiter to the request `id`. `null`: it rejected, the outcome is unknown. */
export interface ArbiterOutcome {
  readonly kind: "arbiter";
  readonly id: number;
  readonly answer: { readonly ok: boolean; readonly record: LeaseRecord } | null;
}

/** What may happen to the core of a pair. */
export type HaInput =
  | Shared<
      | "persisted"
      | "persist_refused"
      | "applied"
      | "apply_refused"
      | "apply_retry"
      | "disk"
      | "stop"
    >
  | { readonly kind: "propose"; readonly proposals: readonly Proposal[] }
  /** What the disk held at start; `terms`: runs of equal term from `base` on. */
  | {
      readonly kind: "recovered";
      readonly hard: HardState;
      readonly base: Position;
      readonly last: Position;
      readonly applied: Position;
      readonly terms: readonly TermRun[];
    }
  /** One tick of the driver's timer went by. Ticks never come in bursts: late ones are dropped. */
  | { readonly kind: "tick" }
  /** The loop stood still for longer than a tick may last; comes before anything else after it. */
  | { readonly kind: "stalled" }
  | { readonly kind: "message"; readonly from: NodeId; readonly body: HaMessage }
  /** Answer to `send_entries`, at once; `upTo` below `from`: nothing was sent. */
  | {
      readonly kind: "sent";
      readonly to: NodeId;
      readonly epoch: Term;
      readonly upTo: LogIndex;
      readonly bytes: number;
      readonly compacted: boolean;
    }
  /** Answer to `echo`, behind a `persist_refused` of the same step. */
  | { readonly kind: "echoed"; readonly seq: number }
  /** A message to that peer could not be sent or its link broke. */
  | { readonly kind: "unreachable"; readonly peer: NodeId }
  /** The peer's host is there and refused the connection: its process is gone. */
  | { readonly kind: "gone"; readonly peer: NodeId }
  | ArbiterOutcome
  /** What a watch or a poll of the arbiter saw; a hint, never a proof. */
  | { readonly kind: "lease_seen"; readonly record: LeaseRecord }
  /** The divergent entries asked for by `salvage` are in a file, synced. */
  | { readonly kind: "salvaged"; readonly id: number }
  /** A whole, checked copy of `from` lies ready, taken in `epoch`. */
  | {
      readonly kind: "copy_received";
      readonly from: NodeId;
      readonly epoch: Term;
      readonly position: Position;
    }
  /** The full sync asked for by `full_sync` ended without a copy. */
  | { readonly kind: "copy_failed"; readonly from: NodeId; readonly epoch: Term }
  /** The `install` is done and durable: state machine and log base. */
  | { readonly kind: "installed"; readonly position: Position }
  /** The log was cut; its base is now here. */
  | { readonly kind: "compacted"; readonly base: Position }
  /** A read that must see every acknowledged write; only a primary with authority can serve it. */
  | { readonly kind: "read"; readonly ticket: number }
  /**
   * An operator asks this node to become primary. `force`: losing what it does not have is accepted.
   * `othersStopped`: the operator vouches that no other node runs.
   */
  | {
      readonly kind: "promote";
      readonly ticket: number;
      readonly force: boolean;
      readonly othersStopped: boolean;
    }
  /** An operator asks this primary to hand over to `target`, or to the best standby. */
  | { readonly kind: "switchover"; readonly ticket: number; readonly target: NodeId | null };

export type HaNote =
  | "became_primary"
  | "primary_ready"
  | "became_standby"
  | "stage_changed"
  | "primary_lost"
  | "primary_back"
  | "claim_started"
  | "claim_failed"
  | "fenced"
  | "lease_lost"
  | "authority_lost"
  | "authority_back"
  | "standby_in_sync"
  | "standby_out_of_sync"
  | "standby_wiped"
  | "degraded"
  | "switchover_started"
  | "switchover_failed"
  | "tail_salvaged"
  | "tail_dropped"
  | "full_sync_needed"
  | "full_sync_done"
  | "copy_ignored"
  | "message_refused"
  | "log_lost"
  | "split_brain_possible"
  | "writes_refused"
  | "writes_resumed"
  | "stopping";

/** What is asked of the arbiter; the answer comes as `arbiter` with the same id. */
export type ArbiterRequest =
  | { readonly op: "read" }
  | {
      readonly op: "acquire";
      readonly epoch: Term;
      /** The record as the claim saw it; with any other the request comes too late. */
      readonly ifEpoch: Term;
      /** Who was in sync in that record, as the claim reckoned with; any other set refuses it. */
      readonly ifInSync?: readonly NodeId[] | undefined;
      readonly inSync: readonly NodeId[];
      readonly force: boolean;
    }
  | { readonly op: "renew"; readonly epoch: Term }
  | { readonly op: "record"; readonly epoch: Term; readonly inSync: readonly NodeId[] }
  | { readonly op: "release"; readonly epoch: Term };

/**
 * What the core asks for, in list order: persist (at most one a step), then send, then the rest.
 */
export type HaEffect =
  | Extract<Effect, { kind: "persist" | "apply" | "answer" | "refuse" }>
  | { readonly kind: "send"; readonly to: NodeId; readonly body: HaMessage }
  /**
   * Read entries `from` to `upTo` out of the log, as many as fit `bytesMax` and `entriesMax` (at
   * least one), send them as a `wal_batch`, and answer with `sent`.
   */
  | {
      readonly kind: "send_entries";
      readonly to: NodeId;
      readonly epoch: Term;
      readonly prev: Position;
      readonly from: LogIndex;
      readonly upTo: LogIndex;
      readonly bytesMax: number;
      readonly entriesMax: number;
      readonly commit: LogIndex;
    }
  /** Feed `echoed` back with this number, after whatever this step's `persist` brings at once. */
  | { readonly kind: "echo"; readonly seq: number }
  /** Answer with `arbiter`; never two for one id. `release` needs no answer. */
  | { readonly kind: "ask_arbiter"; readonly id: number; readonly request: ArbiterRequest }
  /**
   * Write entries `from` to `upTo` of the log into a new salvage file with both epochs and sync it,
   * then `salvaged`. They will be cut off afterwards. `state`: the log no longer holds all that
   * differs, so a copy of the whole state machine is kept beside them.
   */
  | {
      readonly kind: "salvage";
      readonly id: number;
      readonly from: LogIndex;
      readonly upTo: LogIndex;
      readonly state: boolean;
      readonly epoch: Term;
      readonly primary: NodeId;
    }
  /** Fetch a copy of the primary's state at or above `minIndex`; then `copy_received` or `copy_failed`. */
  | {
      readonly kind: "full_sync";
      readonly from: NodeId;
      readonly epoch: Term;
      readonly minIndex: LogIndex;
    }
  /** Replace the state machine by the copy, start the log afresh at its position, then `installed`. */
  | { readonly kind: "install"; readonly position: Position }
  | { readonly kind: "discard_copy"; readonly position: Position }
  /**
   * The write was applied, but may not be answered yet: keep its result until `settle` or `refuse`.
   * A result can only be had in the step of its `applied`.
   */
  | {
      readonly kind: "hold";
      readonly ticket: number;
      readonly index: LogIndex;
      readonly term: Term;
    }
  /** Answer what was held. */
  | { readonly kind: "settle"; readonly ticket: number; readonly durability: Durability }
  /** A read may be answered from this node's state: it has reached `index`. */
  | { readonly kind: "read_ready"; readonly ticket: number; readonly index: LogIndex }
  /** An operator's order has been carried out. */
  | {
      readonly kind: "done";
      readonly ticket: number;
      readonly index: LogIndex;
      readonly term: Term;
    }
  | { readonly kind: "note"; readonly event: HaNote; readonly reason: string };

export type HaStep<State> = Step<State, HaEffect>;

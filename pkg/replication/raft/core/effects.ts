import type { LogIndex, NodeId, Position, Term } from "../../../base/index.js";
import type { Effect, Input, Step } from "../../driver/effects.js";
import type { HardState } from "../../ports/index.js";
import type { TermRun } from "../../progress/index.js";
import type { RaftMessage } from "../messages.js";
import type { ConfigEntry } from "./membership.js";

/** What an operator may ask of the membership. One at a time; each goes through the log. */
export type MemberChange =
  /** Joins as a learner; `voter`: the leader promotes it by itself once it has caught up. */
  | {
      readonly kind: "add";
      readonly id: NodeId;
      readonly address: string;
      readonly voter: boolean;
    }
  | { readonly kind: "promote"; readonly id: NodeId }
  | { readonly kind: "demote"; readonly id: NodeId }
  | { readonly kind: "remove"; readonly id: NodeId }
  | { readonly kind: "address"; readonly id: NodeId; readonly address: string };

type Shared<Kind extends Input["kind"]> = Extract<Input, { kind: Kind }>;

/** What may happen to the raft core. */
export type RaftInput =
  | Shared<
      | "propose"
      | "persisted"
      | "persist_refused"
      | "applied"
      | "apply_refused"
      | "apply_retry"
      | "disk"
      | "stop"
    >
  /**
   * What the disk held at start. `terms`: runs of equal term from `base` on; `configs`: the newest
   * membership at or below `base` and every `config` entry above it, ascending.
   */
  | {
      readonly kind: "recovered";
      readonly hard: HardState;
      readonly base: Position;
      readonly last: Position;
      readonly applied: Position;
      readonly terms: readonly TermRun[];
      readonly configs: readonly ConfigEntry[];
    }
  /** One tick of the driver's timer went by. Ticks never come in bursts: late ones are dropped. */
  | { readonly kind: "tick" }
  /**
   * The loop stood still for longer than a tick may last. Comes before whatever is handled after
   * the gap, so that nothing is answered under a lease that ran out meanwhile.
   */
  | { readonly kind: "stalled" }
  | { readonly kind: "message"; readonly from: NodeId; readonly body: RaftMessage }
  /** Answer to `send_entries`, at once; `upTo` below `from`: nothing was sent. */
  | {
      readonly kind: "sent";
      readonly to: NodeId;
      readonly term: Term;
      readonly upTo: LogIndex;
      readonly bytes: number;
      readonly compacted: boolean;
    }
  /** A message to that peer could not be sent or its link broke. */
  | { readonly kind: "unreachable"; readonly peer: NodeId }
  /** The transfer asked for by `send_snapshot` ended; `position` null: it failed. */
  | {
      readonly kind: "snapshot_sent";
      readonly to: NodeId;
      readonly term: Term;
      readonly position: Position | null;
    }
  /** A whole, checked snapshot lies ready; `config` is the membership at its position. */
  | {
      readonly kind: "snapshot_received";
      readonly from: NodeId;
      readonly term: Term;
      readonly position: Position;
      readonly config: ConfigEntry;
    }
  /** The `install` is done and durable: state machine, log base and membership. */
  | { readonly kind: "installed"; readonly position: Position }
  /** The log was cut; its base is now here. */
  | { readonly kind: "compacted"; readonly base: Position }
  | { readonly kind: "read"; readonly ticket: number; readonly level: "LEADER" | "QUORUM" }
  | { readonly kind: "change_members"; readonly ticket: number; readonly change: MemberChange }
  /** Hands leadership to `target`, or to the best follower. */
  | { readonly kind: "transfer"; readonly ticket: number; readonly target: NodeId | null }
  /** Gives leadership up, with a hand-over if there is somebody to take it. */
  | { readonly kind: "step_down"; readonly ticket: number };

export type RaftNote =
  | "founded"
  | "became_candidate"
  | "became_leader"
  | "leader_ready"
  | "became_follower"
  | "leader_changed"
  | "members_changed"
  | "member_wiped"
  | "transfer_started"
  | "transfer_failed"
  | "snapshot_needed"
  | "snapshot_ignored"
  | "removed"
  | "log_lost"
  | "tail_replaced"
  | "message_refused"
  | "writes_refused"
  | "writes_resumed"
  | "stopping";

/**
 * What the raft core asks for, in list order: persist (at most one a step), then send, then apply,
 * then answer.
 */
export type RaftEffect =
  | Extract<Effect, { kind: "persist" | "apply" | "answer" | "refuse" }>
  | { readonly kind: "send"; readonly to: NodeId; readonly body: RaftMessage }
  /**
   * Read entries `from` to `upTo` out of the log, as many as fit `bytesMax` (at least one), send
   * them as an `append`, and answer with `sent`.
   */
  | {
      readonly kind: "send_entries";
      readonly to: NodeId;
      readonly term: Term;
      readonly prevIndex: LogIndex;
      readonly prevTerm: Term;
      readonly from: LogIndex;
      readonly upTo: LogIndex;
      readonly bytesMax: number;
      readonly commit: LogIndex;
    }
  /** Send a snapshot at or above `minIndex`; answer with `snapshot_sent`. */
  | {
      readonly kind: "send_snapshot";
      readonly to: NodeId;
      readonly term: Term;
      readonly minIndex: LogIndex;
    }
  /**
   * Replace the state machine by the received snapshot. `keepTail`: the log goes on beyond it and
   * matches, so only its prefix is dropped; otherwise the log starts afresh. Then `installed`.
   */
  | {
      readonly kind: "install";
      readonly position: Position;
      readonly config: ConfigEntry;
      readonly keepTail: boolean;
    }
  /** The received snapshot is of no use: drop it. */
  | { readonly kind: "discard_snapshot"; readonly position: Position }
  /** A read may be answered from this node's state: it has reached `index`. */
  | { readonly kind: "read_ready"; readonly ticket: number; readonly index: LogIndex }
  /** A change of membership, transfer or step-down has happened. */
  | {
      readonly kind: "done";
      readonly ticket: number;
      readonly index: LogIndex;
      readonly term: Term;
    }
  | { readonly kind: "note"; readonly event: RaftNote; readonly reason: string };

export type RaftStep<State> = Step<State, RaftEffect>;

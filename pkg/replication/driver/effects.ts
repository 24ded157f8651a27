import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { ErrorCode } from "../errors.js";
import type { Entry, HardState } from "../ports/index.js";
import type { Durability, Health } from "../replicator.js";

/** One write on its way: the driver's number for whoever waits, and the bytes for the log. */
export interface Proposal {
  readonly ticket: number;
  /** Missing: a command. A marker is answered with null once it was applied. */
  readonly kind?: "marker";
  readonly payload: Uint8Array;
  /** It may wait for more than the mode asks; missing: for that. */
  readonly durability?: Durability | undefined;
}

/**
 * What may happen to the core of any mode; a mode adds its own, `recovered` among them. Completions
 * (`persisted`, `applied`, …) answer effects; they carry enough to be recognised when they come late.
 */
export type Input =
  | { readonly kind: "propose"; readonly proposals: readonly Proposal[] }
  /** Every `persist` up to `seq` survives a power cut; the log is durable up to `upTo`. */
  | { readonly kind: "persisted"; readonly seq: number; readonly upTo: LogIndex }
  /**
   * The log had no room for the entries of `seq`, which begin at `from`. What else that `persist`
   * held was taken, and `persisted` follows for it.
   */
  | { readonly kind: "persist_refused"; readonly seq: number; readonly from: LogIndex }
  | { readonly kind: "applied"; readonly upTo: Position }
  /** The state machine had no room; what it holds now. */
  | { readonly kind: "apply_refused"; readonly position: Position }
  /** Time to try again what the state machine refused. */
  | { readonly kind: "apply_retry" }
  /** Free space on the disk fell under the reserve, or is above it again. */
  | { readonly kind: "disk"; readonly low: boolean }
  | { readonly kind: "stop" };

/**
 * What a core asks for; a mode adds its own. The driver carries effects out in list order; whatever
 * depends on the durability of a `persist` is only asked for after its `persisted` input.
 */
export type Effect =
  /** First cut the log from `truncateFrom` on, then save `hard`, then append. */
  | {
      readonly kind: "persist";
      readonly seq: number;
      readonly truncateFrom?: LogIndex;
      readonly hard?: HardState;
      readonly entries: readonly Entry[];
    }
  | { readonly kind: "apply"; readonly upTo: LogIndex }
  | {
      readonly kind: "answer";
      readonly ticket: number;
      readonly index: LogIndex;
      readonly term: Term;
      readonly durability: Durability;
    }
  /**
   * The write was applied and may not be answered yet: its result, which is only there in the step
   * of its `applied`, is kept until `settle` or `refuse`.
   */
  | {
      readonly kind: "hold";
      readonly ticket: number;
      readonly index: LogIndex;
      readonly term: Term;
    }
  | { readonly kind: "settle"; readonly ticket: number; readonly durability: Durability }
  | {
      readonly kind: "refuse";
      readonly tickets: readonly number[];
      readonly code: ErrorCode;
      readonly reason: string;
    }
  | { readonly kind: "note"; readonly event: string; readonly reason: string };

/** What every core can be asked, between two steps. */
export interface CoreView {
  readonly role: string;
  readonly state: Health["state"];
  readonly reason: string | null;
  readonly isLeader: boolean;
  /** Who leads, as far as this node knows; missing where only it can. */
  readonly leaderId?: NodeId | null;
  readonly term: Term;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
}

export interface Step<State, E = Effect> {
  readonly state: State;
  readonly effects: readonly E[];
}

/**
 * A mode's rules: deterministic, no I/O, no clock, no randomness of its own. `I` and `E` are the
 * inputs and effects that it knows beyond those of every mode.
 */
export interface Core<State, I, E> {
  readonly initial: State;
  step(state: State, input: Input | I): Step<State, Effect | E>;
  view(state: State): CoreView;
  /** @throws InvariantViolation when the state breaks a rule of the mode */
  assertInvariants(state: State): void;
}

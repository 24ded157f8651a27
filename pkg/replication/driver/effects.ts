import type { LogIndex, Position, Term } from "../../base/index.js";
import type { ErrorCode } from "../errors.js";
import type { Entry, HardState } from "../ports/index.js";
import type { Durability, Health } from "../replicator.js";

/** One write on its way: the driver's number for whoever waits, and the bytes for the log. */
export interface Proposal {
  readonly ticket: number;
  readonly payload: Uint8Array;
}

/**
 * What may happen to a core. Completions (`persisted`, `applied`, …) answer effects; they carry
 * enough to be recognised when they come late.
 */
export type Input =
  | {
      readonly kind: "recovered";
      readonly hard: HardState;
      readonly last: Position;
      readonly applied: Position;
    }
  | { readonly kind: "propose"; readonly proposals: readonly Proposal[] }
  /** Everything up to here survives a power cut. */
  | { readonly kind: "persisted"; readonly upTo: LogIndex }
  /** The log had no room: entries from `from` on were not added. */
  | { readonly kind: "persist_refused"; readonly from: LogIndex }
  | { readonly kind: "applied"; readonly upTo: Position }
  /** The state machine had no room; what it holds now. */
  | { readonly kind: "apply_refused"; readonly position: Position }
  /** Time to try again what the state machine refused. */
  | { readonly kind: "apply_retry" }
  /** Free space on the disk fell under the reserve, or is above it again. */
  | { readonly kind: "disk"; readonly low: boolean }
  | { readonly kind: "stop" };

/**
 * What a core asks for. The driver carries effects out in list order; whatever follows a
 * `persist` and depends on its durability is only asked for after the `persisted` input.
 */
export type Effect =
  | { readonly kind: "persist"; readonly hard?: HardState; readonly entries: readonly Entry[] }
  | { readonly kind: "apply"; readonly upTo: LogIndex }
  | {
      readonly kind: "answer";
      readonly ticket: number;
      readonly index: LogIndex;
      readonly term: Term;
      readonly durability: Durability;
    }
  | {
      readonly kind: "refuse";
      readonly tickets: readonly number[];
      readonly code: ErrorCode;
      readonly reason: string;
    }
  | { readonly kind: "note"; readonly event: NoteName; readonly reason: string };

export type NoteName = "became_leader" | "writes_refused" | "writes_resumed" | "stopping";

/** What every core can be asked, between two steps. */
export interface CoreView {
  readonly role: string;
  readonly state: Health["state"];
  readonly reason: string | null;
  readonly isLeader: boolean;
  readonly term: Term;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
}

export interface Step<State> {
  readonly state: State;
  readonly effects: readonly Effect[];
}

/** A mode: deterministic, no I/O, no clock, no randomness of its own. */
export interface Core<State> {
  readonly initial: State;
  step(state: State, input: Input): Step<State>;
  view(state: State): CoreView;
  /** @throws InvariantViolation when the state breaks a rule of the mode */
  assertInvariants(state: State): void;
}

import { invariant, type LogIndex, type Term } from "../../../base/index.js";

/** Why writes are refused at the moment; several may hold at once. */
export interface Obstacles {
  /** Free space is under the reserve. */
  readonly diskLow: boolean;
  /** The log had no room for the last batch. */
  readonly logFull: boolean;
  /** The state machine had no room and is behind the log. */
  readonly storageFull: boolean;
}

/** Writes of one proposal batch: `tickets[i]` waits for entry `first + i`. */
export interface Waiting {
  readonly first: LogIndex;
  readonly tickets: readonly number[];
}

/** `applied <= applying <= durable <= last`; `waiting` is ascending and above `applied`. */
export interface StandaloneState {
  readonly phase: "starting" | "ready" | "stopping";
  readonly term: Term;
  readonly last: LogIndex;
  readonly durable: LogIndex;
  /** Asked of the state machine and not yet reported back, or equal to `applied`. */
  readonly applying: LogIndex;
  readonly applied: LogIndex;
  /** Highest applied index ever reported; entries up to it have been answered. */
  readonly answered: LogIndex;
  readonly waiting: readonly Waiting[];
  readonly obstacles: Obstacles;
}

export const NO_OBSTACLES: Obstacles = { diskLow: false, logFull: false, storageFull: false };

const ZERO = 0 as LogIndex;

export const INITIAL_STATE: StandaloneState = {
  phase: "starting",
  term: 0 as Term,
  last: ZERO,
  durable: ZERO,
  applying: ZERO,
  applied: ZERO,
  answered: ZERO,
  waiting: [],
  obstacles: NO_OBSTACLES,
};

export function obstacleOf(obstacles: Obstacles): string | null {
  if (obstacles.storageFull) return "the storage's disk is full";
  if (obstacles.logFull) return "the log's disk is full";
  if (obstacles.diskLow) return "free disk space is under the reserve";
  return null;
}

export function assertStandaloneInvariants(state: StandaloneState): void {
  invariant(state.applied <= state.applying, "nothing is applied that was not asked for");
  invariant(state.applying <= state.durable, "only durable entries are applied");
  invariant(state.durable <= state.last, "what is durable is in the log");
  invariant(state.applied <= state.answered, "the answered position never goes back");
  let previous: number = state.answered;
  for (const batch of state.waiting) {
    invariant(batch.tickets.length > 0, "a waiting batch has writes");
    invariant(batch.first > previous, "waiting writes are above the answered position, in order");
    previous = batch.first + batch.tickets.length - 1;
  }
  invariant(previous <= Math.max(state.last, state.answered), "waiting writes are in the log");
}

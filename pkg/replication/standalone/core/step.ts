import { invariant, type LogIndex, type Term, unreachable } from "../../../base/index.js";
import type { Core, CoreView, Effect, Input, Proposal, Step } from "../../driver/effects.js";
import type { Entry } from "../../ports/index.js";
import type { StandaloneInput } from "./inputs.js";
import {
  assertStandaloneInvariants,
  INITIAL_STATE,
  type Obstacles,
  obstacleOf,
  type StandaloneState,
  type Waiting,
} from "./state.js";

type Of<Kind extends Input["kind"]> = Extract<Input, { kind: Kind }>;
type StandaloneStep = Step<StandaloneState>;

/** SA-2: the surviving log is the truth; everything in it is durable first, then applied. */
function onRecovered(state: StandaloneState, input: StandaloneInput): StandaloneStep {
  invariant(state.phase === "starting", "a node recovers once");
  invariant(input.applied.index <= input.last.index, "the state is not ahead of the log");
  const term = Math.max(1, input.hard.term, input.last.term) as Term;
  const hard = { ...input.hard, term, commit: input.last.index };
  const next: StandaloneState = {
    ...state,
    term,
    last: input.last.index,
    durable: input.applied.index,
    applying: input.applied.index,
    applied: input.applied.index,
    answered: input.applied.index,
  };
  return { state: next, effects: [{ kind: "persist", seq: 0, hard, entries: [] }] };
}

/** SA-3, SA-4: writes get the next indexes, or are refused before anything happened. */
function onPropose(state: StandaloneState, input: Of<"propose">): StandaloneStep {
  const refusal = refusalOf(state);
  if (refusal !== undefined) {
    const tickets = input.proposals.map((proposal) => proposal.ticket);
    return { state, effects: [{ kind: "refuse", tickets, ...refusal }] };
  }
  if (input.proposals.length === 0) return { state, effects: [] };
  const entries = toEntries(state, input.proposals);
  const batch: Waiting = {
    first: (state.last + 1) as LogIndex,
    tickets: input.proposals.map((proposal) => proposal.ticket),
  };
  return {
    state: {
      ...state,
      last: (state.last + entries.length) as LogIndex,
      waiting: [...state.waiting, batch],
    },
    effects: [{ kind: "persist", seq: 0, entries }],
  };
}

function refusalOf(
  state: StandaloneState,
): Pick<Extract<Effect, { kind: "refuse" }>, "code" | "reason"> | undefined {
  if (state.phase === "starting") return { code: "NO_LEADER", reason: "the node is starting" };
  if (state.phase === "stopping") return { code: "SHUTTING_DOWN", reason: "the node is stopping" };
  const obstacle = obstacleOf(state.obstacles);
  return obstacle === null ? undefined : { code: "OVERLOADED", reason: obstacle };
}

function toEntries(state: StandaloneState, proposals: readonly Proposal[]): Entry[] {
  return proposals.map((proposal, offset) => ({
    index: (state.last + 1 + offset) as LogIndex,
    term: state.term,
    kind: "command",
    payload: proposal.payload,
  }));
}

/** SA-5: durable is committed; committed is applied, in order. The index says it all, no `seq` is kept. */
function onPersisted(state: StandaloneState, input: Of<"persisted">): StandaloneStep {
  // A sync may cover entries that were cut off again because the disk was full.
  const durable = Math.min(state.last, Math.max(state.durable, input.upTo)) as LogIndex;
  return applyMore({ ...state, durable });
}

function applyMore(state: StandaloneState): StandaloneStep {
  if (state.obstacles.storageFull) return { state, effects: [] };
  if (state.durable > state.applying) {
    return {
      state: { ...state, applying: state.durable },
      effects: [{ kind: "apply", upTo: state.durable }],
    };
  }
  if (state.phase !== "starting" || state.applied < state.last) return { state, effects: [] };
  return {
    state: { ...state, phase: "ready" },
    effects: [{ kind: "note", event: "became_leader", reason: "the only node" }],
  };
}

/** SA-6: a full disk refuses the newest writes and leaves the log as it was. */
function onPersistRefused(state: StandaloneState, input: Of<"persist_refused">): StandaloneStep {
  invariant(input.from > state.durable, "durable entries are never refused");
  const kept = state.waiting.filter((batch) => batch.first < input.from);
  const lost = state.waiting.filter((batch) => batch.first >= input.from);
  const obstacles = { ...state.obstacles, logFull: true };
  const refusal: Effect = {
    kind: "refuse",
    tickets: lost.flatMap((batch) => batch.tickets),
    code: "OVERLOADED",
    reason: "the log's disk is full",
  };
  const last = (input.from - 1) as LogIndex;
  const next = withObstacles({ ...state, last, waiting: kept }, obstacles);
  return { state: next.state, effects: [refusal, ...next.effects] };
}

/** SA-7: an answer goes out once its effects are readable. */
function onApplied(state: StandaloneState, input: Of<"applied">): StandaloneStep {
  invariant(input.upTo.index <= state.applying, "only what was asked for is applied");
  const applied = input.upTo.index;
  const answered = Math.max(state.answered, applied) as LogIndex;
  const effects: Effect[] = [];
  const waiting: Waiting[] = [];
  for (const batch of state.waiting) {
    const reached = Math.min(batch.tickets.length, Math.max(0, applied - batch.first + 1));
    for (let offset = 0; offset < reached; offset += 1) {
      effects.push({
        kind: "answer",
        ticket: batch.tickets[offset] as number,
        index: (batch.first + offset) as LogIndex,
        term: state.term,
        durability: "local",
      });
    }
    if (reached < batch.tickets.length) {
      waiting.push({
        first: (batch.first + reached) as LogIndex,
        tickets: reached === 0 ? batch.tickets : batch.tickets.slice(reached),
      });
    }
  }
  const caughtUp = withObstacles(
    { ...state, applied, answered, waiting },
    { ...state.obstacles, storageFull: false },
  );
  const more = applyMore(caughtUp.state);
  return { state: more.state, effects: [...effects, ...caughtUp.effects, ...more.effects] };
}

/** SA-8: the state machine fell back; the log brings it forward once there is room. */
function onApplyRefused(state: StandaloneState, input: Of<"apply_refused">): StandaloneStep {
  const applied = input.position.index;
  return withObstacles(
    { ...state, applied, applying: applied },
    { ...state.obstacles, storageFull: true },
  );
}

function onApplyRetry(state: StandaloneState): StandaloneStep {
  if (!state.obstacles.storageFull || state.applying !== state.applied) {
    return { state, effects: [] };
  }
  return {
    state: { ...state, applying: state.durable },
    effects: [{ kind: "apply", upTo: state.durable }],
  };
}

function onDisk(state: StandaloneState, input: Of<"disk">): StandaloneStep {
  const logFull = input.low && state.obstacles.logFull;
  return withObstacles(state, { ...state.obstacles, diskLow: input.low, logFull });
}

function withObstacles(state: StandaloneState, obstacles: Obstacles): StandaloneStep {
  const before = obstacleOf(state.obstacles);
  const after = obstacleOf(obstacles);
  const effects: Effect[] = [];
  if (before === null && after !== null) {
    effects.push({ kind: "note", event: "writes_refused", reason: after });
  }
  if (before !== null && after === null) {
    effects.push({ kind: "note", event: "writes_resumed", reason: before });
  }
  return { state: { ...state, obstacles }, effects };
}

function onStop(state: StandaloneState): StandaloneStep {
  if (state.phase === "stopping") return { state, effects: [] };
  return {
    state: { ...state, phase: "stopping" },
    effects: [{ kind: "note", event: "stopping", reason: "asked to" }],
  };
}

function step(state: StandaloneState, input: Input | StandaloneInput): StandaloneStep {
  switch (input.kind) {
    case "recovered":
      return onRecovered(state, input);
    case "propose":
      return onPropose(state, input);
    case "persisted":
      return onPersisted(state, input);
    case "persist_refused":
      return onPersistRefused(state, input);
    case "applied":
      return onApplied(state, input);
    case "apply_refused":
      return onApplyRefused(state, input);
    case "apply_retry":
      return onApplyRetry(state);
    case "disk":
      return onDisk(state, input);
    case "stop":
      return onStop(state);
    default:
      return unreachable(input);
  }
}

function view(state: StandaloneState): CoreView {
  const obstacle = obstacleOf(state.obstacles);
  return {
    role: "standalone",
    state: state.phase === "ready" && obstacle !== null ? "read_only" : state.phase,
    reason: obstacle,
    isLeader: state.phase === "ready",
    term: state.term,
    commitIndex: state.durable,
    appliedIndex: state.applied,
  };
}

/** One node, one writer: durable is committed. Rules SA-1 to SA-9 in `SPEC.md`. */
export const standaloneCore: Core<StandaloneState, StandaloneInput, never> = {
  initial: INITIAL_STATE,
  step,
  view,
  assertInvariants: assertStandaloneInvariants,
};

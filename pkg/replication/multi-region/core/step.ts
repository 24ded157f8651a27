import { type RegionId, unreachable } from "../../../base/index.js";
import type { RegionInput, RegionStep } from "./effects.js";
import { assertRegionInvariants } from "./invariants.js";
import { lagOf, type RegionLag } from "./lag.js";
import { checkRegionOptions, type RegionCoreOptions } from "./options.js";
import { endReceiving, onProposed, onRequest } from "./receiving.js";
import { STREAM_RULES, type StreamRules } from "./rules.js";
import { onLoaded, onNotKept, onReply, onUnreachable, tendSender } from "./sending.js";
import { INITIAL_REGION_STATE, type RegionState, type RegionView } from "./state.js";
import { note, type Turn, takeTicket } from "./turn.js";
import { seqOf } from "./vectors.js";
import { endWaits, onForsake, onWait } from "./waits.js";

/** What one node of a region does about other regions, as a pure function of state and input. */
export interface RegionCore {
  readonly initial: RegionState;
  step(state: RegionState, input: RegionInput): RegionStep<RegionState>;
  /** How far each other region is behind this one, as far as this node knows. */
  lag(state: RegionState): ReadonlyMap<RegionId, RegionLag>;
  /** @throws InvariantViolation when the state breaks a rule */
  assertInvariants(state: RegionState): void;
}

/** @throws InvariantViolation when the options contradict each other */
export function createRegionCore(
  options: RegionCoreOptions,
  rules: StreamRules = STREAM_RULES,
): RegionCore {
  checkRegionOptions(options);
  return {
    initial: INITIAL_REGION_STATE,
    step: (state, input) => {
      const turn: Turn = { options, rules, s: { ...state }, effects: [] };
      handle(turn, input);
      if (turn.s.leading) {
        for (const region of turn.s.view.known.keys()) tendSender(turn, region);
        tendKept(turn);
      }
      return { state: turn.s, effects: turn.effects };
    },
    lag: (state) => lagOf(state, options.self),
    assertInvariants: (state) => assertRegionInvariants(state, options),
  };
}

function handle(turn: Turn, input: RegionInput): void {
  switch (input.kind) {
    case "tick":
      turn.s.now += 1;
      return;
    case "role":
      onRole(turn, input.leading, input.leader);
      return;
    case "applied":
      onApplied(turn, input.view);
      return;
    case "loaded":
      onLoaded(turn, input.region, input.ticket, input.run);
      return;
    case "not_kept":
      onNotKept(turn, input.region, input.ticket);
      return;
    case "request":
      onRequest(turn, input.call, input.message);
      return;
    case "reply":
      onReply(turn, input.region, input.ticket, input.answer);
      return;
    case "unreachable":
      onUnreachable(turn, input.region, input.ticket);
      return;
    case "proposed":
      onProposed(turn, input.ticket, input.outcome);
      return;
    case "wait":
      onWait(turn, input.request, input.seq);
      return;
    case "forsake":
      onForsake(turn, input.request);
      return;
    default:
      unreachable(input);
  }
}

/** Whoever begins to lead knows nothing but what is in the state: everybody is asked. */
function onRole(turn: Turn, leading: boolean, leader: string | null): void {
  const { s } = turn;
  s.leader = leader;
  if (s.leading === leading) return;
  s.leading = leading;
  endWaits(turn);
  endReceiving(turn);
  s.senders = new Map();
  s.givingUp = null;
}

const MARKS_MAX = 1_024;

function onApplied(turn: Turn, view: RegionView): void {
  const { s, options } = turn;
  const before = seqOf(s.view.have, options.self);
  s.view = view;
  const seq = seqOf(view.have, options.self);
  if (seq === before) return;
  const last = s.marks.at(-1);
  const kept = last?.at === s.now ? s.marks.slice(0, -1) : s.marks;
  const thinned = kept.length < MARKS_MAX ? kept : kept.filter((_, at) => at % 2 === 1);
  s.marks = [...thinned, { seq, at: s.now }];
}

/** MR-41: an unreachable region must not fill the disk of those that go on, where that is wanted. */
function tendKept(turn: Turn): void {
  const { s, options } = turn;
  if (options.keptChangesMax === 0 || s.givingUp !== null || s.now < s.giveUpAt) return;
  const own = seqOf(s.view.have, options.self);
  for (const [region, known] of s.view.known) {
    const kept = own - Math.max(seqOf(known, options.self), seqOf(s.view.floor, options.self));
    if (kept <= options.keptChangesMax || s.view.lost.has(region)) continue;
    s.givingUp = takeTicket(turn);
    s.giveUpAt = s.now + options.backoffTicksMax;
    const operation = { op: "give_up", region } as const;
    turn.effects.push({ kind: "propose", ticket: s.givingUp, operation });
    note(turn, "region_given_up", region, `${kept} changes were kept for it`);
    return;
  }
}

import { type NodeId, type Term, unreachable } from "../../../base/index.js";
import type { HaMessage } from "../messages.js";
import { advanceClaim, onClaimAnswer, onFenceResponse, onPositionAnswer } from "./claim.js";
import { advanceCommit, onApplied, onApplyRefused, onApplyRetry, payOwed } from "./commit.js";
import { onPersisted, onPersistRefused, onRecovered } from "./durability.js";
import type { ArbiterOutcome, HaInput, HaStep } from "./effects.js";
import { onFence, onPositionQuery } from "./fencing.js";
import { onHeartbeatResponse, onWalAck } from "./heartbeats.js";
import { tendInSync } from "./in-sync.js";
import { assertHaInvariants } from "./invariants.js";
import { onLeaseAnswer } from "./lease.js";
import { checkHaOptions, type HaOptions } from "./options.js";
import { advanceSwitchover, onPromote, onPromoteOrder, onSwitchover } from "./orders.js";
import {
  onCompacted,
  onCopyFailed,
  onCopyReceived,
  onInstalled,
  onSalvaged,
  startInstall,
} from "./rejoin.js";
import { stepDown } from "./roles.js";
import { RULES, type Rules } from "./rules.js";
import { stageOf } from "./stage.js";
import { onEchoed, onHeartbeat, onWalBatch } from "./standby.js";
import { type HaState, INITIAL_HA_STATE } from "./state.js";
import { onEntriesSent, onUnreachable } from "./streaming.js";
import { onStalled, onTick } from "./tick.js";
import { beginTurn, finishTurn, note, setEpoch, type Turn } from "./turn.js";
import { type HaView, viewOf } from "./view.js";
import { onDisk, onPropose, onRead, onStop } from "./writes.js";

/** A pair (or one primary with several standbys) as a pure function of state and input. */
export interface HaCore {
  readonly initial: HaState;
  step(state: HaState, input: HaInput): HaStep<HaState>;
  view(state: HaState): HaView;
  /** @throws InvariantViolation when the state breaks a rule of the mode */
  assertInvariants(state: HaState): void;
}

/** @throws InvariantViolation when the options contradict each other */
export function createHaCore(options: HaOptions, rules: Rules = RULES): HaCore {
  checkHaOptions(options);
  const parts = { options, rules };
  // A state is looked at several times in a step's wake.
  let seen: { readonly state: HaState; readonly view: HaView } | undefined;
  return {
    initial: INITIAL_HA_STATE,
    step: (state, input) => {
      const turn = beginTurn(parts, state);
      const stage = stageOf(parts, state);
      handle(turn, input);
      settle(turn, state);
      const next = stageOf(parts, turn.s);
      if (next !== stage) note(turn, "stage_changed", `${stage} -> ${next}`);
      return finishTurn(turn);
    },
    view: (state) => {
      if (seen?.state !== state) seen = { state, view: viewOf(parts, state) };
      return seen.view;
    },
    assertInvariants: assertHaInvariants,
  };
}

/** What a step may have made possible, whichever input it was. */
function settle(turn: Turn, before: HaState): void {
  const { s } = turn;
  if (s.rejoin !== null) startInstall(turn);
  if (s.lead === null) return;
  const { readyIndex, ticket } = s.lead;
  if (before.hard.commit < readyIndex && s.hard.commit >= readyIndex) {
    note(turn, "primary_ready", `entry ${readyIndex} of epoch ${s.hard.term} is committed`);
    if (ticket !== null) {
      turn.effects.push({ kind: "done", ticket, index: readyIndex, term: s.hard.term });
      s.lead = { ...s.lead, ticket: null };
    }
  }
  if (s.lead.switchover !== null) advanceSwitchover(turn);
}

function handle(turn: Turn, input: HaInput): void {
  switch (input.kind) {
    case "recovered":
      onRecovered(turn, input);
      break;
    case "propose":
      onPropose(turn, input);
      break;
    case "persisted":
      onPersisted(turn, input);
      break;
    case "persist_refused":
      onPersistRefused(turn, input);
      break;
    case "applied":
      onApplied(turn, input);
      break;
    case "apply_refused":
      onApplyRefused(turn, input.position);
      break;
    case "apply_retry":
      onApplyRetry(turn);
      break;
    case "disk":
      onDisk(turn, input);
      break;
    case "stop":
      onStop(turn);
      break;
    case "tick":
      onTick(turn);
      break;
    case "stalled":
      onStalled(turn);
      break;
    case "message":
      if (turn.s.phase !== "starting") onMessage(turn, input.from, input.body);
      break;
    case "sent":
      onEntriesSent(turn, input);
      break;
    case "echoed":
      onEchoed(turn, input.seq);
      break;
    case "unreachable":
      onUnreachable(turn, input.peer);
      break;
    default:
      handleMore(turn, input);
  }
}

type More = Exclude<
  HaInput,
  {
    kind:
      | "recovered"
      | "propose"
      | "persisted"
      | "persist_refused"
      | "applied"
      | "apply_refused"
      | "apply_retry"
      | "disk"
      | "stop"
      | "tick"
      | "stalled"
      | "message"
      | "sent"
      | "echoed"
      | "unreachable";
  }
>;

function handleMore(turn: Turn, input: More): void {
  switch (input.kind) {
    case "gone":
      onGone(turn, input.peer);
      break;
    case "arbiter":
      onArbiter(turn, input);
      break;
    case "lease_seen":
      onLeaseSeen(turn, input);
      break;
    case "salvaged":
      onSalvaged(turn, input);
      break;
    case "copy_received":
      onCopyReceived(turn, input);
      break;
    case "copy_failed":
      onCopyFailed(turn, input);
      break;
    case "installed":
      onInstalled(turn, input);
      break;
    case "compacted":
      onCompacted(turn, input);
      break;
    case "read":
      onRead(turn, input);
      break;
    case "promote":
      onPromoteOrder(turn, input);
      break;
    case "switchover":
      onSwitchover(turn, input);
      break;
    default:
      unreachable(input);
  }
}

function onMessage(turn: Turn, from: NodeId, body: HaMessage): void {
  switch (body.kind) {
    case "heartbeat":
      onHeartbeat(turn, from, body);
      break;
    case "heartbeat_response":
      if (!isDeposed(turn, from, body.epoch)) onHeartbeatResponse(turn, from, body);
      afterAnswer(turn);
      break;
    case "wal_batch":
      onWalBatch(turn, from, body);
      break;
    case "wal_ack":
      if (!isDeposed(turn, from, body.epoch)) onWalAck(turn, from, body);
      afterAnswer(turn);
      break;
    case "position_query":
      onPositionQuery(turn, from, body);
      break;
    case "position_answer":
      onPositionAnswer(turn, from, body);
      break;
    case "fence":
      onFence(turn, from, body);
      break;
    case "fence_response":
      onFenceResponse(turn, from, body);
      break;
    case "promote":
      onPromote(turn, from, body);
      break;
    case "promote_response":
      break;
    default:
      unreachable(body);
  }
}

/** HA-1: a standby obeys a newer epoch, so this one is over. */
function isDeposed(turn: Turn, from: NodeId, epoch: Term): boolean {
  const { s } = turn;
  if (epoch <= s.hard.term) return false;
  s.seen = Math.max(s.seen, epoch) as Term;
  if (s.lead !== null) {
    stepDown(turn, `${from} knows epoch ${epoch}`);
    setEpoch(turn, epoch, null);
  }
  return true;
}

/** What a standby said may complete an acknowledgement, the set of those in sync, or a hand-over. */
function afterAnswer(turn: Turn): void {
  if (turn.s.lead === null) return;
  advanceCommit(turn);
  payOwed(turn);
  tendInSync(turn);
}

/** HA-20: its process is gone: there is nothing to wait for but promises. */
function onGone(turn: Turn, peer: NodeId): void {
  const { s } = turn;
  if (s.follow?.primary !== peer || s.lead !== null) return;
  s.follow = { ...s.follow, gone: true };
  advanceClaim(turn);
}

function onArbiter(turn: Turn, outcome: ArbiterOutcome): void {
  if (!onLeaseAnswer(turn, outcome)) onClaimAnswer(turn, outcome);
}

/** A lease that has ended while the primary is silent: no reason to wait any longer. */
function onLeaseSeen(turn: Turn, { record }: Extract<HaInput, { kind: "lease_seen" }>): void {
  const { s, options } = turn;
  s.seen = Math.max(s.seen, record.epoch) as Term;
  if (s.follow === null || s.lead !== null || record.held) return;
  const silent = s.now - s.follow.heardAt >= options.ticks.contactTicks;
  if (silent && record.holder === s.follow.primary) s.follow = { ...s.follow, gone: true };
}

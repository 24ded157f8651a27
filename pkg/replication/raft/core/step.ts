import { type NodeId, unreachable } from "../../../base/index.js";
import type { RaftMessage } from "../messages.js";
import { onChangeMembers, settleMembership } from "./changes.js";
import { onApplied, onApplyRefused, onApplyRetry } from "./commit.js";
import { onPersisted, onPersistRefused, onRecovered } from "./durability.js";
import type { RaftInput, RaftStep } from "./effects.js";
import { onTimeoutNow, onVoteRequest, onVoteResponse } from "./election.js";
import { onAppend, onHeartbeat } from "./follower.js";
import { assertRaftInvariants } from "./invariants.js";
import { isLeaderGone } from "./leader-quorum.js";
import { onHeartbeatResponse } from "./leadership.js";
import { checkRaftOptions, type RaftOptions } from "./options.js";
import { confirmReads, onRead, onReadIndex, onReadIndexResponse, startReadRound } from "./reads.js";
import { onAppendResponse, onEntriesSent, onSnapshotSent, onUnreachable } from "./replication.js";
import { becomeQuiet } from "./roles.js";
import { RULES, type Rules } from "./rules.js";
import { onCompacted, onInstalled, onSnapshotReceived, startInstall } from "./snapshots.js";
import { INITIAL_RAFT_STATE, type RaftState } from "./state.js";
import { onStalled, onTick } from "./tick.js";
import { advanceTransfer, onStepDown, onTransfer, retire } from "./transfer.js";
import { beginTurn, configIndexOf, finishTurn, note, type Turn } from "./turn.js";
import { type RaftView, viewOf } from "./view.js";
import { onDisk, onPropose, onStop } from "./writes.js";

/** Raft as a pure function of state and input. Rules RA-1 to RA-28 in `SPEC.md`. */
export interface RaftCore {
  readonly initial: RaftState;
  step(state: RaftState, input: RaftInput): RaftStep<RaftState>;
  view(state: RaftState): RaftView;
  /** @throws InvariantViolation when the state breaks a rule of the mode */
  assertInvariants(state: RaftState): void;
}

/** @throws InvariantViolation when the options contradict each other */
export function createRaftCore(options: RaftOptions, rules: Rules = RULES): RaftCore {
  checkRaftOptions(options);
  const parts = { options, rules };
  const random = (options.seed >>> 0) ^ 0x9e3779b9 || 1;
  // Two draws in one number: questions of this life fit no answer to a former one.
  const initial = { ...INITIAL_RAFT_STATE, random, forwardId: (options.seed >>> 0) * 2 ** 20 };
  return {
    initial,
    step: (state, input) => {
      const turn = beginTurn(parts, state);
      const before = state.hard.commit;
      handle(turn, input);
      settle(turn, before);
      return finishTurn(turn);
    },
    view: (state) => viewOf(parts, state),
    assertInvariants: assertRaftInvariants,
  };
}

/** What a step may have made possible, whichever input it was. */
function settle(turn: Turn, commitBefore: number): void {
  const { s } = turn;
  if (s.installing !== null) startInstall(turn);
  if (s.lead === null) return;
  const { readyIndex } = s.lead;
  if (s.hard.commit > commitBefore) {
    if (commitBefore < readyIndex && s.hard.commit >= readyIndex) {
      s.setbacks = 0;
      note(turn, "leader_ready", `entry ${readyIndex} of term ${s.hard.term} is committed`);
    }
    const fresh = commitBefore < readyIndex || configIndexOf(s) > commitBefore;
    if (fresh) settleMembership(turn);
    if (isLeaderGone(turn)) {
      retire(turn);
      return;
    }
  }
  startReadRound(turn);
  advanceTransfer(turn);
}

function handle(turn: Turn, input: RaftInput): void {
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
    case "unreachable":
      onUnreachable(turn, input.peer);
      break;
    case "snapshot_sent":
      onSnapshotSent(turn, input);
      break;
    case "snapshot_received":
      onSnapshotReceived(turn, input);
      break;
    case "installed":
      onInstalled(turn, input);
      break;
    case "compacted":
      onCompacted(turn, input);
      break;
    case "read":
    case "change_members":
    case "transfer":
    case "step_down":
      onAsked(turn, input);
      break;
    default:
      unreachable(input);
  }
}

type Asked = Extract<RaftInput, { kind: "read" | "change_members" | "transfer" | "step_down" }>;

/** What callers and operators ask for; each has a ticket that gets one answer. */
function onAsked(turn: Turn, input: Asked): void {
  if (input.kind === "read") onRead(turn, input);
  else if (input.kind === "change_members") onChangeMembers(turn, input);
  else if (input.kind === "transfer") onTransfer(turn, input);
  else onStepDown(turn, input);
}

function onMessage(turn: Turn, from: NodeId, body: RaftMessage): void {
  switch (body.kind) {
    case "vote_request":
      onVoteRequest(turn, from, body);
      break;
    case "vote_response":
      onVoteResponse(turn, from, body);
      break;
    case "append":
      onAppend(turn, from, body);
      break;
    case "append_response":
      onAppendResponse(turn, from, body);
      break;
    case "heartbeat":
      onHeartbeat(turn, from, body);
      break;
    case "heartbeat_response":
      onHeartbeatResponse(turn, from, body);
      confirmReads(turn);
      break;
    case "read_index":
      onReadIndex(turn, from, body);
      break;
    case "read_index_response":
      onReadIndexResponse(turn, from, body);
      break;
    case "timeout_now":
      onTimeoutNow(turn, from, body);
      break;
    case "forget":
      onForget(turn, body.configIndex);
      break;
    default:
      unreachable(body);
  }
}

/** RA-22: a later membership has no such node; a leader's word ends the silence. */
function onForget(turn: Turn, configIndex: number): void {
  if (configIndex <= configIndexOf(turn.s)) return;
  becomeQuiet(turn, "the leader says that this node is no member any more");
}

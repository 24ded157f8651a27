import type { NodeId } from "../../../base/index.js";
import type { RaftInput } from "./effects.js";
import { isActive } from "./leader-quorum.js";
import { becomeFollower, SETBACKS_MAX } from "./roles.js";
import { leadershipOf, membershipOf, note, refuse, send, setLead, type Turn } from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;

/** RA-27: leadership goes to a voter that answers, once it has the whole log. */
export function onTransfer(turn: Turn, input: Of<"transfer">): void {
  const { s } = turn;
  const { ticket } = input;
  if (s.lead === null) {
    const code = s.leader === null ? "NO_LEADER" : "NOT_LEADER";
    refuse(turn, [ticket], code, s.leader === null ? "no leader is known" : `${s.leader} leads`);
    return;
  }
  if (s.lead.transfer !== null) {
    refuse(turn, [ticket], "CONFLICT", `leadership is handed to ${s.lead.transfer.target} already`);
    return;
  }
  const target = input.target ?? bestSuccessor(turn);
  if (target === undefined) {
    refuse(turn, [ticket], "NO_QUORUM", "no other voter answers");
  } else if (target === turn.options.id) {
    refuse(turn, [ticket], "CONFLICT", `${target} leads already`);
  } else if (!mayTakeOver(turn, target)) {
    refuse(turn, [ticket], "INVALID", `${target} is not a voter that answers`);
  } else startTransfer(turn, target, ticket);
}

export function onStepDown(turn: Turn, input: Of<"step_down">): void {
  const { s } = turn;
  const target = s.lead === null ? undefined : bestSuccessor(turn);
  if (s.lead === null || s.lead.transfer !== null || target !== undefined) {
    onTransfer(turn, { kind: "transfer", ticket: input.ticket, target: target ?? null });
    return;
  }
  s.setbacks = SETBACKS_MAX;
  becomeFollower(turn, s.hard.term, null, "asked to step down");
  turn.effects.push({
    kind: "done",
    ticket: input.ticket,
    index: s.hard.commit,
    term: s.hard.term,
  });
}

/** At shutdown: hand over if somebody is there to take it. */
export function handOver(turn: Turn): void {
  if (turn.s.lead === null || turn.s.lead.transfer !== null) return;
  const target = bestSuccessor(turn);
  if (target !== undefined) startTransfer(turn, target, null);
}

function mayTakeOver(turn: Turn, id: NodeId): boolean {
  const { s, options, rules } = turn;
  const peer = leadershipOf(turn).peers.get(id);
  if (peer === undefined || !isActive(s, peer, options.ticks.electionTicks)) return false;
  const member = membershipOf(s).voters.find((one) => one.id === id);
  return member !== undefined && rules.speaksFor(member, peer.disk, false);
}

function bestSuccessor(turn: Turn): NodeId | undefined {
  let best: NodeId | undefined;
  let bestMatch = -1;
  for (const [id, peer] of leadershipOf(turn).peers) {
    if (peer.progress.match <= bestMatch || !mayTakeOver(turn, id)) continue;
    best = id;
    bestMatch = peer.progress.match;
  }
  return best;
}

function startTransfer(turn: Turn, target: NodeId, ticket: number | null): void {
  const deadline = turn.s.now + turn.options.ticks.transferTicks;
  setLead(turn, { transfer: { target, ticket, deadline, asked: false } });
  note(turn, "transfer_started", `to ${target}`);
  advanceTransfer(turn);
}

/** RA-15: from the moment the successor is asked, this leader has no lease in this term. */
export function advanceTransfer(turn: Turn): void {
  const { s } = turn;
  const { transfer, peers } = leadershipOf(turn);
  if (transfer === null || transfer.asked) return;
  if (peers.get(transfer.target)?.progress.match !== s.log.last) return;
  send(turn, transfer.target, { kind: "timeout_now", term: s.hard.term });
  setLead(turn, { transfer: { ...transfer, asked: true }, leaseForfeited: true });
}

/** A transfer that takes too long is given up; the leader takes writes again. */
export function expireTransfer(turn: Turn): void {
  const { transfer } = leadershipOf(turn);
  if (transfer === null || turn.s.now < transfer.deadline) return;
  setLead(turn, { transfer: null });
  note(turn, "transfer_failed", `${transfer.target} did not take over in time`);
  if (transfer.ticket !== null) {
    refuse(turn, [transfer.ticket], "LAGGING", `${transfer.target} did not take over in time`);
  }
}

/** RA-22: a leader that was left out hands over at once and is quiet. */
export function retire(turn: Turn): void {
  const { s } = turn;
  const successor = bestSuccessor(turn);
  if (successor !== undefined) send(turn, successor, { kind: "timeout_now", term: s.hard.term });
  note(turn, "removed", "this node was the leader and has no vote any more");
  becomeFollower(turn, s.hard.term, null, "the committed membership leaves it out");
}

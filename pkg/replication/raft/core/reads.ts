import type { LogIndex, NodeId } from "../../../base/index.js";
import type { ReadIndex, ReadIndexResponse } from "../messages.js";
import type { RaftInput } from "./effects.js";
import { followCommit } from "./follower.js";
import { holdsLease, reachedByQuorum } from "./leader-quorum.js";
import { broadcastHeartbeat } from "./leadership.js";
import type { Reader } from "./state.js";
import { leadershipOf, refuse, send, setLead, type Turn } from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;

/** RA-13 to RA-16: a read waits for proof that no newer write was answered elsewhere. */
export function onRead(turn: Turn, input: Of<"read">): void {
  const { s, options, rules } = turn;
  const { ticket, level } = input;
  if (s.phase !== "ready") {
    const code = s.phase === "starting" ? "NO_LEADER" : "SHUTTING_DOWN";
    refuse(turn, [ticket], code, `the node is ${s.phase}`);
    return;
  }
  if (readsOf(turn) >= options.limits.readsMax) {
    refuse(turn, [ticket], "OVERLOADED", `${options.limits.readsMax} reads are waiting already`);
    return;
  }
  if (s.lead !== null) {
    const ready = rules.mayRead(s.hard.commit, s.lead.readyIndex);
    if (level === "LEADER" && ready && holdsLease(turn)) {
      readyAt(turn, ticket, s.hard.commit);
      return;
    }
    queueRead(turn, { ticket });
    return;
  }
  if (s.leader === null) {
    refuse(turn, [ticket], "NO_LEADER", "no leader is known");
  } else if (level === "LEADER") {
    refuse(turn, [ticket], "NOT_LEADER", `${s.leader} leads`);
  } else {
    s.queuedForwards = [...s.queuedForwards, ticket];
    forwardReads(turn);
  }
}

function readsOf(turn: Turn): number {
  const { s } = turn;
  const round = s.lead?.readRound?.readers.length ?? 0;
  const leading = round + (s.lead?.queuedReads.length ?? 0);
  const following = s.queuedForwards.length + (s.forwarded?.tickets.length ?? 0);
  return leading + following + s.readyReads.length;
}

function readyAt(turn: Turn, ticket: number, index: LogIndex): void {
  const { s, rules } = turn;
  if (rules.hasReached(s.applied, index)) {
    turn.effects.push({ kind: "read_ready", ticket, index });
  } else s.readyReads = [...s.readyReads, { ticket, index }];
}

function queueRead(turn: Turn, reader: Reader): void {
  const lead = leadershipOf(turn);
  setLead(turn, { queuedReads: [...lead.queuedReads, reader] });
  startReadRound(turn);
}

/** RA-14: one round at a time; what comes meanwhile shares the next, which begins after it came. */
export function startReadRound(turn: Turn): void {
  const { s, rules } = turn;
  const { lead } = s;
  if (lead === null || lead.readRound !== null || lead.queuedReads.length === 0) return;
  if (!rules.mayRead(s.hard.commit, lead.readyIndex)) return;
  broadcastHeartbeat(turn);
  const readRound = { round: s.round, index: s.hard.commit, readers: lead.queuedReads };
  setLead(turn, { readRound, queuedReads: [] });
  confirmReads(turn);
}

export function confirmReads(turn: Turn): void {
  const { s, rules } = turn;
  const readRound = s.lead?.readRound;
  if (readRound === null || readRound === undefined) return;
  const answered = reachedByQuorum(turn, s.round, (peer) => peer.round);
  if (!rules.confirms(answered, readRound.round)) return;
  setLead(turn, { readRound: null });
  for (const reader of readRound.readers) {
    if ("ticket" in reader) readyAt(turn, reader.ticket, readRound.index);
    else answerFollower(turn, reader.from, reader.id, readRound.index);
  }
  startReadRound(turn);
}

function answerFollower(turn: Turn, to: NodeId, id: number, index: LogIndex | null): void {
  send(turn, to, { kind: "read_index_response", term: turn.s.hard.term, id, index });
}

/** A follower asks on behalf of its own readers; one question at a time. */
export function forwardReads(turn: Turn): void {
  const { s, options } = turn;
  if (s.forwarded !== null || s.queuedForwards.length === 0 || s.leader === null) return;
  s.forwardId += 1;
  const deadline = s.now + options.ticks.electionTicks;
  s.forwarded = { id: s.forwardId, deadline, tickets: s.queuedForwards };
  s.queuedForwards = [];
  send(turn, s.leader, { kind: "read_index", term: s.hard.term, id: s.forwardId });
}

export function onReadIndex(turn: Turn, from: NodeId, message: ReadIndex): void {
  const { s, options } = turn;
  if (s.lead === null || message.term !== s.hard.term) {
    answerFollower(turn, from, message.id, null);
  } else if (readsOf(turn) < options.limits.readsMax) {
    queueRead(turn, { from, id: message.id });
  }
}

/** RA-14: an answer belongs to one question, leader and term, or to nothing. */
export function onReadIndexResponse(turn: Turn, from: NodeId, answer: ReadIndexResponse): void {
  const { s } = turn;
  const { forwarded } = s;
  if (forwarded === null || forwarded.id !== answer.id || from !== s.leader) return;
  s.forwarded = null;
  if (answer.index === null || answer.term !== s.hard.term) {
    refuse(turn, forwarded.tickets, "NO_LEADER", `${from} could not confirm that it leads`);
  } else {
    followCommit(turn, answer.index);
    for (const ticket of forwarded.tickets) readyAt(turn, ticket, answer.index);
  }
  forwardReads(turn);
}

/** FC-077: a question without an answer is an error, never an old value. */
export function expireForwarded(turn: Turn): void {
  const { s } = turn;
  if (s.forwarded === null || s.now < s.forwarded.deadline) return;
  refuse(turn, s.forwarded.tickets, "NO_QUORUM", "the leader did not confirm the read in time");
  s.forwarded = null;
  forwardReads(turn);
}

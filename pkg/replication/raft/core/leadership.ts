import { type LogIndex, NO_POSITION, type NodeId, type Position } from "../../../base/index.js";
import { onAcknowledged, onRoundAnswered, termAt } from "../../progress/index.js";
import type { HeartbeatResponse } from "../messages.js";
import { advanceCommit } from "./commit.js";
import { encodeMembership, type Membership } from "./membership.js";
import { hear, syncPeers } from "./peers.js";
import { replicateTo } from "./replication.js";
import { becomeFollower } from "./roles.js";
import {
  appendOwn,
  isFresh,
  leadershipOf,
  membershipOf,
  note,
  send,
  setLead,
  setPeer,
  type Turn,
} from "./turn.js";

/** RA-24: what brought a follower nothing new for so many heartbeats was lost. */
const LOSS_ROUNDS = 3;

/** RA-9: the first entry of the term; of a founder, the membership with the disks that voted. */
export function becomeLeader(turn: Turn): void {
  const { s, options } = turn;
  const founding = isFresh(s);
  const votes = s.votes;
  s.role = "leader";
  s.leader = options.id;
  s.handedOver = false;
  s.lead = {
    peers: new Map(),
    readyIndex: (s.log.last + 1) as LogIndex,
    since: s.now,
    heartbeatElapsed: 0,
    sentCommit: 0 as LogIndex,
    leaseFloor: s.now,
    leaseForfeited: false,
    queuedReads: [],
    readRound: null,
    transfer: null,
    changeTicket: null,
    leaving: [],
  };
  note(turn, "became_leader", `elected in term ${s.hard.term}`);
  if (founding) {
    const membership = withDisks(membershipOf(s), (id) =>
      votes.get(id)?.granted === true ? (votes.get(id)?.disk ?? null) : null,
    );
    appendOwn(turn, [{ kind: "config", payload: encodeMembership(membership) }]);
  } else appendOwn(turn, [{ kind: "noop", payload: new Uint8Array() }]);
  s.votes = new Map();
  syncPeers(turn);
  broadcastHeartbeat(turn);
  replicateAll(turn);
  advanceCommit(turn);
}

function withDisks(membership: Membership, diskOf: (id: NodeId) => string | null): Membership {
  const voters = membership.voters.map((member) => ({
    ...member,
    disk: member.disk ?? diskOf(member.id),
  }));
  return { ...membership, voters };
}

/** One round: every member is asked whether it still follows. */
export function broadcastHeartbeat(turn: Turn): void {
  turn.s.round += 1;
  const { peers } = leadershipOf(turn);
  for (const id of peers.keys()) sendHeartbeat(turn, id);
  setLead(turn, { heartbeatElapsed: 0, sentCommit: turn.s.hard.commit });
}

function sendHeartbeat(turn: Turn, to: NodeId): void {
  const { s } = turn;
  const peer = leadershipOf(turn).peers.get(to);
  if (peer === undefined) return;
  const { match } = peer.progress;
  const known = termAt(s.log, match);
  const { index, term }: Position =
    known === undefined ? NO_POSITION : { index: match, term: known };
  send(turn, to, {
    kind: "heartbeat",
    term: s.hard.term,
    prevIndex: index,
    prevTerm: term,
    commit: s.hard.commit,
    round: s.round,
    at: s.now,
    disk: peer.disk,
  });
}

export function replicateAll(turn: Turn): void {
  for (const id of leadershipOf(turn).peers.keys()) replicateTo(turn, id);
}

/** RA-14, RA-15, RA-24: the peer followed when the round reached it. */
export function onHeartbeatResponse(turn: Turn, from: NodeId, answer: HeartbeatResponse): void {
  const { s, rules, options } = turn;
  if (answer.term > s.hard.term) {
    becomeFollower(turn, answer.term, null, `${from} knows a newer term`);
    return;
  }
  if (s.lead === null || !rules.answersThisTerm(answer.term, s.hard.term)) return;
  const peer = hear(turn, from, answer.disk);
  if (peer === undefined || answer.at > s.now) return;
  if (!answer.intact && !peer.lost) {
    note(turn, "member_wiped", `${from} lacks entries it acknowledged; it does not count`);
  }
  const told = answer.matchIndex <= s.log.last ? answer.matchIndex : peer.progress.match;
  const { at, verified } = answer;
  const lossTicks = LOSS_ROUNDS * options.ticks.heartbeatTicks;
  const known = onAcknowledged(peer.progress, told);
  const progress = onRoundAnswered(known, { at, verified }, lossTicks);
  setPeer(turn, from, {
    lost: peer.lost || !answer.intact,
    round: Math.max(peer.round, answer.round),
    askedAt: Math.max(peer.askedAt, answer.at),
    progress,
  });
  if (progress.match > peer.progress.match) advanceCommit(turn);
  if (answer.intact) replicateTo(turn, from);
}

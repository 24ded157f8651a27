import type { NodeId, Position, Term } from "../../../base/index.js";
import { lastPosition } from "../../progress/index.js";
import { countVotes } from "../../quorum/index.js";
import type { TimeoutNow, VoteRefusal, VoteRequest, VoteResponse } from "../messages.js";
import { becomeLeader } from "./leadership.js";
import { findVoter, includes, isVoter, type Member, memberIds } from "./membership.js";
import {
  becomeFollower,
  becomeQuiet,
  endForwarded,
  restartElectionTimer,
  SETBACKS_MAX,
} from "./roles.js";
import type { RaftState } from "./state.js";
import {
  committedConfig,
  configIndexOf,
  isFresh,
  membershipOf,
  note,
  send,
  setTerm,
  setVote,
  type Turn,
} from "./turn.js";

/** RA-3, RA-18, RA-22: who may ask for votes. */
export function mayCampaign(turn: Turn): boolean {
  const { s, options } = turn;
  if (s.phase !== "ready" || s.quiet || s.lost || s.installing !== null) return false;
  const oldest = s.persists[0];
  if (oldest !== undefined && s.now - oldest.at >= options.ticks.electionTicks) return false;
  // A membership that leaves this node out and is not committed may need it as a leader once more.
  const since = committedConfig(s)?.index ?? 0;
  const inForce = s.configs.filter((config) => config.index >= since);
  if (inForce.some((one) => isVoter(one.membership, options.id, options.disk))) return true;
  const founder = findVoter(membershipOf(s), options.id);
  return options.bootstrap && isFresh(s) && founder !== undefined && founder.disk === null;
}

/** Nobody leads, as far as this node knows, for longer than it waits (section 5.2). */
export function onElectionTimeout(turn: Turn): void {
  const { s } = turn;
  restartElectionTimer(turn);
  if (s.leader !== null || s.role === "candidate") {
    becomeFollower(turn, s.hard.term, null, "no leader was heard");
  }
  if (mayCampaign(turn)) startPreVote(turn);
  else if (s.role === "precandidate") becomeFollower(turn, s.hard.term, null, "may not lead");
}

/** RA-5: first ask whether it could win, and disturb nobody. */
function startPreVote(turn: Turn): void {
  const { s } = turn;
  s.role = "precandidate";
  s.votes = new Map();
  s.handedOver = false;
  if (isFresh(s)) s.foundingTries += 1;
  askForVotes(turn, true);
  countOwnVote(turn);
}

/** The real campaign: a new term and the own vote, durable before anybody is asked (RA-2). */
function startVote(turn: Turn, handedOver: boolean): void {
  const { s, options } = turn;
  s.role = "candidate";
  s.leader = null;
  endForwarded(turn, "this node campaigns");
  s.votes = new Map();
  s.handedOver = handedOver;
  setTerm(turn, (s.hard.term + 1) as Term);
  setVote(turn, options.id);
  restartElectionTimer(turn);
  note(turn, "became_candidate", handedOver ? "the leader hands over" : "no leader was heard");
  askForVotes(turn, false);
}

function askForVotes(turn: Turn, preVote: boolean): void {
  const { s, options } = turn;
  const last = lastPosition(s.log);
  const body: VoteRequest = {
    kind: "vote_request",
    term: s.hard.term,
    forTerm: (preVote ? s.hard.term + 1 : s.hard.term) as Term,
    preVote,
    transfer: s.handedOver,
    lastIndex: last.index,
    lastTerm: last.term,
    configIndex: configIndexOf(s),
  };
  const membership = membershipOf(s);
  for (const id of memberIds(membership)) {
    if (id !== options.id && findVoter(membership, id) !== undefined) send(turn, id, body);
  }
}

/** RA-2: the own vote counts like any other, once it is durable. */
export function countOwnVote(turn: Turn): void {
  const { s, options } = turn;
  if (s.role === "candidate" && s.persists.some((one) => one.promise)) return;
  if (s.role !== "candidate" && s.role !== "precandidate") return;
  if (s.votes.has(options.id)) return;
  s.votes = new Map(s.votes).set(options.id, { granted: true, refusal: null, disk: options.disk });
  tally(turn);
}

export function onVoteRequest(turn: Turn, from: NodeId, request: VoteRequest): void {
  const { s } = turn;
  const blocked = blockedBy(turn, from, request);
  if (blocked !== null) {
    // A term asked for against loyalty is not even looked at, or it would depose the leader.
    if (blocked !== "loyal" || request.preVote) answerVote(turn, from, request, blocked);
    return;
  }
  if (!request.preVote && request.term > s.hard.term) {
    becomeFollower(turn, request.term, null, `${from} campaigns`);
  }
  const refusal = refusalOf(turn, from, request);
  if (refusal === null && !request.preVote) {
    setVote(turn, from);
    restartElectionTimer(turn);
  }
  answerVote(turn, from, request, refusal);
}

/** Reasons to refuse that do not depend on the term, so that the term is not taken over either. */
function blockedBy(turn: Turn, from: NodeId, request: VoteRequest): VoteRefusal | null {
  const { s, options, rules } = turn;
  const committed = committedConfig(s);
  if (
    committed !== undefined &&
    committed.index > request.configIndex &&
    !includes(membershipOf(s), from) &&
    !includes(committed.membership, from)
  ) {
    return "removed";
  }
  if (s.lost) return "lost";
  if (request.lastIndex <= 1 && request.lastTerm <= 1 && !isFresh(s)) return "founded";
  if (request.transfer) return null;
  const leads = s.role === "leader";
  return leads || rules.isLoyal(s.sinceLeader, options.ticks.electionTicks) ? "loyal" : null;
}

function refusalOf(turn: Turn, from: NodeId, request: VoteRequest): VoteRefusal | null {
  const { s, rules } = turn;
  const candidate: Position = { index: request.lastIndex, term: request.lastTerm };
  const upToDate = rules.upToDate(candidate, lastPosition(s.log));
  if (request.preVote) {
    if (request.forTerm <= s.hard.term) return "stale";
    return upToDate ? null : "behind";
  }
  if (request.forTerm < s.hard.term) return "stale";
  if (s.leader !== null && s.hard.votedFor !== from) return "voted";
  if (!rules.mayVote(s.hard.votedFor, from)) return "voted";
  return upToDate ? null : "behind";
}

function answerVote(
  turn: Turn,
  to: NodeId,
  request: VoteRequest,
  refusal: VoteRefusal | null,
): void {
  send(turn, to, {
    kind: "vote_response",
    term: turn.s.hard.term,
    forTerm: request.forTerm,
    preVote: request.preVote,
    granted: refusal === null,
    refusal,
    disk: turn.options.disk,
  });
}

export function onVoteResponse(turn: Turn, from: NodeId, answer: VoteResponse): void {
  const { s, rules } = turn;
  if (answer.term > s.hard.term && !answer.granted) {
    becomeFollower(turn, answer.term, null, `${from} knows a newer term`);
    return;
  }
  const asked = s.role === "precandidate" ? s.hard.term + 1 : s.hard.term;
  if (!rules.answersThisTerm(answer.forTerm, asked as Term)) return;
  if (s.role !== (answer.preVote ? "precandidate" : "candidate")) return;
  if (answer.refusal === "removed" || (answer.refusal === "founded" && isFresh(s))) {
    const why = answer.refusal === "removed" ? "no longer a member" : "the cluster exists already";
    becomeQuiet(turn, `${from} says: ${why}`);
    becomeFollower(turn, s.hard.term, null, why);
    return;
  }
  const { granted, refusal, disk } = answer;
  s.votes = new Map(s.votes).set(from, { granted, refusal, disk });
  tally(turn);
}

function tally(turn: Turn): void {
  const { s, rules } = turn;
  const membership = membershipOf(s);
  const founding = isFresh(s);
  const voteOf = (member: Member) => {
    const vote = s.votes.get(member.id);
    if (vote === undefined || !rules.speaksFor(member, vote.disk, founding)) return undefined;
    return vote.granted;
  };
  const result = countVotes(rules.electorate(membership), voteOf);
  if (result === "lost") {
    const behind = [...s.votes.values()].some((vote) => vote.refusal === "behind");
    if (behind) s.setbacks = Math.min(s.setbacks + 1, SETBACKS_MAX);
    becomeFollower(turn, s.hard.term, null, behind ? "others have a newer log" : "not elected");
  }
  if (result !== "won") return;
  if (s.role === "candidate") becomeLeader(turn);
  else if (!founding || isFoundingHeard(turn.s, membership.voters)) startVote(turn, false);
}

/**
 * RA-18: a founder waits once for the answer of every other, so that a member of an existing
 * cluster can object to a second founding; a founder that cannot be reached does not stop it.
 */
function isFoundingHeard(state: RaftState, voters: readonly Member[]): boolean {
  return state.foundingTries > 1 || voters.every((member) => state.votes.has(member.id));
}

/** The leader asks this node to take over (dissertation, section 3.10). */
export function onTimeoutNow(turn: Turn, from: NodeId, message: TimeoutNow): void {
  const { s } = turn;
  if (message.term !== s.hard.term || s.leader !== from || s.role !== "follower") return;
  if (mayCampaign(turn)) startVote(turn, true);
}

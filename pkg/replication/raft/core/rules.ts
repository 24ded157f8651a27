import type { LogIndex, NodeId, Position, Term } from "../../../base/index.js";
import type { Electorate } from "../../quorum/index.js";
import type { Member, Membership } from "./membership.js";

/**
 * The decisions on which safety rests, one function each, so that each can be read by itself and
 * so that tests can plant a wrong one and see the checkers find it. Production uses `RULES`.
 */
export interface Rules {
  /** RA-3: a candidate's log is at least as new, by last term and then by last index. */
  upToDate(candidate: Position, own: Position): boolean;
  /** RA-4: one vote a term. */
  mayVote(votedFor: NodeId | null, candidate: NodeId): boolean;
  /** RA-4: the vote is forgotten only when the term grows. */
  voteAfter(votedFor: NodeId | null, grew: boolean): NodeId | null;
  /** RA-5: a voter that heard from a leader a moment ago does not vote. */
  isLoyal(sinceLeader: number, electionTicks: number): boolean;
  /** RA-5: ticks since a leader was heard, as a restarted node must assume. */
  heardAtRestart(electionTicks: number): number;
  /** RA-2: a message that makes or repeats a promise waits until the promise is durable. */
  mustHold(promiseUnderWay: boolean): boolean;
  /** RA-8: what a follower acknowledges. */
  acknowledged(verified: LogIndex, durable: LogIndex): number;
  /** RA-8: what a leader counts of itself. */
  ownMatch(durable: LogIndex, last: LogIndex): LogIndex;
  /** RA-9: only entries of the leader's own term are committed by counting. */
  commitsByCounting(entryTerm: Term | undefined, term: Term): boolean;
  /** RA-7: how far a follower may believe the leader's commit. */
  commitBound(leaderCommit: LogIndex, verified: LogIndex): number;
  /** RA-7: the entry before the new ones is the leader's. */
  fits(ownTerm: Term | undefined, prevTerm: Term): boolean;
  /** RA-6: where the log is cut, if at all. */
  cutFrom(firstConflict: LogIndex | null, afterPrev: LogIndex): LogIndex | null;
  /** RA-1: a leader's word of an older term is not followed. */
  obeys(messageTerm: Term, term: Term): boolean;
  /** RA-10: an answer counts only in the term it was given in. */
  answersThisTerm(answerTerm: Term, term: Term): boolean;
  /** RA-17: who decides. */
  electorate(membership: Membership): Electorate<Member>;
  /** RA-18: a member's word counts from the disk that the membership names. */
  speaksFor(member: Member, disk: string | null, founding: boolean): boolean;
  /** RA-19: when the membership may change. */
  mayChange(state: {
    readonly configIndex: LogIndex;
    readonly commit: LogIndex;
    readonly readyIndex: LogIndex;
    readonly joint: boolean;
  }): boolean;
  /** RA-20: the membership in force is the newest in the log. */
  keepsConfig(configIndex: LogIndex, cutFrom: LogIndex): boolean;
  /** RA-13: reads wait for the first commit of the term. */
  mayRead(commit: LogIndex, readyIndex: LogIndex): boolean;
  /** RA-14: a round that began after the read confirms it. */
  confirms(answeredRound: number, readRound: number): boolean;
  /** RA-15: the lease, counted from when the question left. */
  leaseHolds(lease: {
    readonly now: number;
    readonly askedAt: number;
    readonly leaseTicks: number;
    readonly forfeited: boolean;
  }): boolean;
  /** RA-15: answers to questions from before a stall give no lease. */
  leaseFloor(now: number, before: number): number;
  /** RA-16: a read is answered from a state that has reached its index. */
  hasReached(applied: LogIndex, index: LogIndex): boolean;
  /** RA-11: only what is committed and durable here is applied. */
  mayApply(commit: LogIndex, durable: LogIndex): number;
  /** RA-12: what a lost leadership leaves waiting: writes that are committed already. */
  keepsWaiting(index: LogIndex, commit: LogIndex): boolean;
  /** RA-21: only a snapshot beyond the commit is installed. */
  isNews(snapshot: Position, commit: LogIndex): boolean;
}

export const RULES: Rules = {
  upToDate: (candidate, own) =>
    candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index),
  mayVote: (votedFor, candidate) => votedFor === null || votedFor === candidate,
  voteAfter: (votedFor, grew) => (grew ? null : votedFor),
  isLoyal: (sinceLeader, electionTicks) => sinceLeader < electionTicks,
  heardAtRestart: () => 0,
  mustHold: (promiseUnderWay) => promiseUnderWay,
  acknowledged: (verified, durable) => Math.min(verified, durable),
  ownMatch: (durable) => durable,
  commitsByCounting: (entryTerm, term) => entryTerm === term,
  commitBound: (leaderCommit, verified) => Math.min(leaderCommit, verified),
  fits: (ownTerm, prevTerm) => ownTerm === prevTerm,
  cutFrom: (firstConflict) => firstConflict,
  obeys: (messageTerm, term) => messageTerm >= term,
  answersThisTerm: (answerTerm, term) => answerTerm === term,
  electorate: (membership) => membership,
  speaksFor: (member, disk, founding) => (member.disk === null ? founding : member.disk === disk),
  mayChange: ({ configIndex, commit, readyIndex, joint }) =>
    configIndex <= commit && commit >= readyIndex && !joint,
  keepsConfig: (configIndex, cutFrom) => configIndex < cutFrom,
  mayRead: (commit, readyIndex) => commit >= readyIndex,
  confirms: (answeredRound, readRound) => answeredRound >= readRound,
  leaseHolds: ({ now, askedAt, leaseTicks, forfeited }) => !forfeited && now - askedAt < leaseTicks,
  leaseFloor: (now) => now,
  hasReached: (applied, index) => applied >= index,
  mayApply: (commit, durable) => Math.min(commit, durable),
  keepsWaiting: (index, commit) => index <= commit,
  isNews: (snapshot, commit) => snapshot.index > commit,
};

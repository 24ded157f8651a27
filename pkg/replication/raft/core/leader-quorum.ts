import { quorumReached } from "../../quorum/index.js";
import { isVoter } from "./membership.js";
import type { Peer, RaftState } from "./state.js";
import { configIndexOf, leadershipOf, membershipOf, type Turn } from "./turn.js";

/** The highest value that a quorum of the membership in force has reached (RA-17, RA-18). */
export function reachedByQuorum(turn: Turn, own: number, of: (peer: Peer) => number): number {
  const { s, options, rules } = turn;
  const { peers } = leadershipOf(turn);
  return quorumReached(rules.electorate(membershipOf(s)), (member) => {
    if (member.id === options.id)
      return member.disk === options.disk ? own : Number.NEGATIVE_INFINITY;
    const peer = peers.get(member.id);
    if (peer === undefined || peer.lost) return Number.NEGATIVE_INFINITY;
    return rules.speaksFor(member, peer.disk, false) ? of(peer) : Number.NEGATIVE_INFINITY;
  });
}

/** Ticks since a quorum was last heard, or since the election. */
export function quorumSilence(turn: Turn): number {
  const { now } = turn.s;
  const heardAt = reachedByQuorum(turn, now, (peer) => peer.heardAt);
  return now - Math.max(heardAt, leadershipOf(turn).since);
}

/** RA-23: true while a quorum was heard within one election timeout. */
export function hearsQuorum(turn: Turn): boolean {
  return quorumSilence(turn) < turn.options.ticks.electionTicks;
}

/** RA-15: no other leader can exist yet, whatever the network does. */
export function holdsLease(turn: Turn): boolean {
  const { s, options, rules } = turn;
  if (s.lead === null) return false;
  const { leaseFloor } = s.lead;
  return rules.leaseHolds({
    now: s.now,
    askedAt: reachedByQuorum(turn, s.now, ({ askedAt }) =>
      askedAt >= leaseFloor ? askedAt : Number.NEGATIVE_INFINITY,
    ),
    leaseTicks: options.ticks.leaseTicks,
    forfeited: s.lead.leaseForfeited,
  });
}

/** True when that member answered within one election timeout. */
export function isActive(state: RaftState, peer: Peer, electionTicks: number): boolean {
  return !peer.lost && peer.disk !== null && state.now - peer.heardAt < electionTicks;
}

/** The leader was left out by a committed membership. */
export function isLeaderGone(turn: Turn): boolean {
  const { s, options } = turn;
  const membership = membershipOf(s);
  const settled = configIndexOf(s) <= s.hard.commit && membership.outgoing.length === 0;
  return settled && !isVoter(membership, options.id, options.disk);
}

import { RULES, type Rules } from "../../../pkg/replication/raft/index.js";

/** One planted bug: the true rules with one decision taken wrongly. */
export interface Mutation {
  readonly name: string;
  readonly rules: Partial<Rules>;
}

const never = () => false;
const always = () => true;

/** Each is a mistake that a real system has made; the checkers must find every one. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "the longer log wins, whatever its last term (FC-005)",
    rules: { upToDate: (candidate, own) => candidate.index >= own.index },
  },
  { name: "any log wins", rules: { upToDate: always } },
  { name: "a second vote in one term (FC-003)", rules: { mayVote: always } },
  { name: "every step down clears the vote (FC-003)", rules: { voteAfter: () => null } },
  { name: "the vote is kept into the next term", rules: { voteAfter: (votedFor) => votedFor } },
  { name: "a voter forgets its leader at once (FC-020)", rules: { isLoyal: never } },
  { name: "a restarted voter owes no loyalty", rules: { heardAtRestart: (ticks) => ticks } },
  { name: "promises go out before they are durable (FC-002)", rules: { mustHold: never } },
  { name: "a follower acknowledges before its sync (FC-007)", rules: { acknowledged: (verified) => verified } },
  { name: "a follower acknowledges its whole log (FC-009)", rules: { acknowledged: (_, durable) => durable } },
  { name: "a leader counts itself before its sync (FC-007)", rules: { ownMatch: (_, last) => last } },
  { name: "entries of older terms commit by counting (FC-001)", rules: { commitsByCounting: always } },
  {
    name: "a follower believes the commit beyond what it verified (FC-011)",
    rules: { commitBound: (leaderCommit) => leaderCommit },
  },
  { name: "entries are taken without looking at the one before", rules: { fits: always } },
  {
    name: "a conflicting tail is kept",
    rules: { cutFrom: () => null },
  },
  {
    name: "every message cuts the log after it (FC-006)",
    rules: { cutFrom: (_, afterPrev) => afterPrev },
  },
  { name: "a leader of an older term is obeyed (FC-016)", rules: { obeys: always } },
  { name: "votes of another term count (FC-010)", rules: { answersThisTerm: always } },
  {
    name: "joint memberships decide by the new voters alone",
    rules: { electorate: ({ voters }) => ({ voters, outgoing: [] }) },
  },
  {
    name: "joint memberships decide by the old voters alone",
    rules: {
      electorate: ({ voters, outgoing }) => ({
        voters: outgoing.length > 0 ? outgoing : voters,
        outgoing: [],
      }),
    },
  },
  {
    name: "learners count (FC-068)",
    rules: {
      electorate: ({ voters, outgoing, learners }) => ({
        voters: [...voters, ...learners],
        outgoing,
      }),
    },
  },
  { name: "a wiped voter counts as the one it was (FC-071)", rules: { speaksFor: always } },
  {
    name: "memberships change before the last one is committed (FC-063)",
    rules: { mayChange: always },
  },
  { name: "a membership that was cut stays in force (FC-064)", rules: { keepsConfig: always } },
  { name: "reads before the first commit of the term (FC-075)", rules: { mayRead: always } },
  { name: "reads without a round (FC-074)", rules: { confirms: always } },
  { name: "a lease that never ends (FC-074)", rules: { leaseHolds: always } },
  {
    name: "a lease as long as two election timeouts",
    rules: { leaseHolds: ({ now, askedAt, leaseTicks }) => now - askedAt < 4 * leaseTicks },
  },
  {
    name: "the lease goes on while leadership is handed over",
    rules: { leaseHolds: (lease) => RULES.leaseHolds({ ...lease, forfeited: false }) },
  },
  { name: "the lease survives a stall (FC-079)", rules: { leaseFloor: (_, before) => before } },
  { name: "a read is answered before its index is applied (FC-076)", rules: { hasReached: always } },
  { name: "what is committed is applied before it is durable here", rules: { mayApply: (commit) => commit } },
  {
    name: "writes wait on after leadership is lost, by index alone (FC-012)",
    rules: { keepsWaiting: always },
  },
  { name: "an old snapshot is installed (FC-055)", rules: { isNews: always } },
];

export function mutate(mutation: Mutation): Rules {
  return { ...RULES, ...mutation.rules };
}


import { RULES, type Rules } from "../../../pkg/replication/raft/index.js";

/** One planted bug: the true rules with one decision taken wrongly. */
export interface Mutation {
  readonly name: string;
  /** The first seed that shows it within 4,000 steps. */
  readonly seed: number;
  readonly rules: Partial<Rules>;
}

const never = () => false;
const always = () => true;

/** Each is a mistake that a real system has made; the checkers must find every one. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "the longer log wins, whatever its last term (FC-005)",
    seed: 73,
    rules: { upToDate: (candidate, own) => candidate.index >= own.index },
  },
  { name: "any log wins", seed: 1, rules: { upToDate: always } },
  { name: "a second vote in one term (FC-003)", seed: 3, rules: { mayVote: always } },
  { name: "every step down clears the vote (FC-003)", seed: 1, rules: { voteAfter: () => null } },
  {
    name: "the vote is kept into the next term",
    seed: 1,
    rules: { voteAfter: (votedFor) => votedFor },
  },
  { name: "a voter forgets its leader at once (FC-020)", seed: 92, rules: { isLoyal: never } },
  { name: "promises go out before they are durable (FC-002)", seed: 1, rules: { mustHold: never } },
  {
    name: "a follower acknowledges before its sync (FC-007)",
    seed: 1,
    rules: { acknowledged: (verified) => verified },
  },
  {
    name: "a follower acknowledges its whole log (FC-009)",
    seed: 1,
    rules: { acknowledged: (_, durable) => durable },
  },
  {
    name: "a leader counts itself before its sync (FC-007)",
    seed: 2,
    rules: { ownMatch: (_, last) => last },
  },
  {
    name: "entries of older terms commit by counting (FC-001)",
    seed: 1,
    rules: { commitsByCounting: always },
  },
  {
    name: "a follower believes the commit beyond what it verified (FC-011)",
    seed: 1,
    rules: { commitBound: (leaderCommit) => leaderCommit },
  },
  { name: "entries are taken without looking at the one before", seed: 1, rules: { fits: always } },
  {
    name: "a conflicting tail is kept",
    seed: 1,
    rules: { cutFrom: () => null },
  },
  {
    name: "every message cuts the log after it (FC-006)",
    seed: 1,
    rules: { cutFrom: (_, afterPrev) => afterPrev },
  },
  { name: "a leader of an older term is obeyed (FC-016)", seed: 491, rules: { obeys: always } },
  { name: "votes of another term count (FC-010)", seed: 82, rules: { answersThisTerm: always } },
  {
    name: "joint memberships decide by the new voters alone",
    seed: 18,
    rules: { electorate: ({ voters }) => ({ voters, outgoing: [] }) },
  },
  {
    name: "joint memberships decide by the old voters alone",
    seed: 5,
    rules: {
      electorate: ({ voters, outgoing }) => ({
        voters: outgoing.length > 0 ? outgoing : voters,
        outgoing: [],
      }),
    },
  },
  {
    name: "learners count (FC-068)",
    seed: 7,
    rules: {
      electorate: ({ voters, outgoing, learners }) => ({
        voters: [...voters, ...learners],
        outgoing,
      }),
    },
  },
  {
    name: "a wiped voter counts as the one it was (FC-071)",
    seed: 2,
    rules: { speaksFor: always },
  },
  {
    name: "memberships change before the last one is committed (FC-063)",
    seed: 8,
    rules: { mayChange: always },
  },
  {
    name: "a membership that was cut stays in force (FC-064)",
    seed: 280,
    rules: { keepsConfig: always },
  },
  {
    name: "reads before the first commit of the term (FC-075)",
    seed: 1,
    rules: { mayRead: always },
  },
  { name: "reads without a round (FC-074)", seed: 140, rules: { confirms: always } },
  { name: "a lease that never ends (FC-074)", seed: 18, rules: { leaseHolds: always } },
  {
    name: "a lease as long as two election timeouts",
    seed: 57,
    rules: { leaseHolds: ({ now, askedAt, leaseTicks }) => now - askedAt < 4 * leaseTicks },
  },
  {
    name: "the lease goes on while leadership is handed over",
    seed: 43,
    rules: { leaseHolds: (lease) => RULES.leaseHolds({ ...lease, forfeited: false }) },
  },
  {
    name: "the lease survives a stall (FC-079)",
    seed: 104,
    rules: { leaseFloor: (_, before) => before },
  },
  {
    name: "a read is answered before its index is applied (FC-076)",
    seed: 1,
    rules: { hasReached: always },
  },
  {
    name: "what is committed is applied before it is durable here",
    seed: 2,
    rules: { mayApply: (commit) => commit },
  },
  {
    name: "writes wait on after leadership is lost, by index alone (FC-012)",
    seed: 1,
    rules: { keepsWaiting: always },
  },
  { name: "an old snapshot is installed (FC-055)", seed: 25, rules: { isNews: always } },
];

export function mutate(mutation: Mutation): Rules {
  return { ...RULES, ...mutation.rules };
}

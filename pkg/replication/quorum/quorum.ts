/**
 * Those who decide together. While `outgoing` is not empty a decision needs a majority of each of
 * the two lists. A member is whatever the caller counts by.
 */
export interface Electorate<Member> {
  readonly voters: readonly Member[];
  readonly outgoing: readonly Member[];
}

export type VoteResult = "won" | "lost" | "pending";

export function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** The highest value that a majority of `members` has reached; -Infinity when there are none. */
export function reachedBy<Member>(
  members: readonly Member[],
  reached: (member: Member) => number,
): number {
  if (members.length === 0) return Number.NEGATIVE_INFINITY;
  const values = members.map(reached);
  values.sort((a, b) => b - a);
  return values[majority(values.length) - 1] as number;
}

/**
 * The highest value that a quorum has reached: of a joint electorate, both majorities. An
 * electorate without voters reaches nothing.
 */
export function quorumReached<Member>(
  electorate: Electorate<Member>,
  reached: (member: Member) => number,
): number {
  const incoming = reachedBy(electorate.voters, reached);
  if (electorate.outgoing.length === 0) return incoming;
  return Math.min(incoming, reachedBy(electorate.outgoing, reached));
}

/** True when those for whom `has` holds are a quorum. */
export function hasQuorum<Member>(
  electorate: Electorate<Member>,
  has: (member: Member) => boolean,
): boolean {
  return quorumReached(electorate, (member) => (has(member) ? 1 : 0)) === 1;
}

/** Counts votes: true for, false against, undefined not heard. */
export function countVotes<Member>(
  electorate: Electorate<Member>,
  voteOf: (member: Member) => boolean | undefined,
): VoteResult {
  if (hasQuorum(electorate, (member) => voteOf(member) === true)) return "won";
  if (hasQuorum(electorate, (member) => voteOf(member) !== false)) return "pending";
  return "lost";
}

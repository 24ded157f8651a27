import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countVotes, hasQuorum, majority, quorumReached } from "./quorum.js";

const values = fc.array(fc.nat(20), { minLength: 1, maxLength: 9 });
const members = fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 7 });
const chosen = fc.uniqueArray(fc.nat(9), { maxLength: 10 });

describe("quorum", () => {
  it("RA-17 a value is reached when a majority has it, and none above", () => {
    fc.assert(
      fc.property(values, (list) => {
        const electorate = { voters: list.map((_, at) => at), outgoing: [] };
        const reached = quorumReached(electorate, (at) => list[at] as number);
        const count = (limit: number) => list.filter((value) => value >= limit).length;
        expect(count(reached)).toBeGreaterThanOrEqual(majority(list.length));
        expect(count(reached + 1)).toBeLessThan(majority(list.length));
      }),
    );
  });

  it("RA-17 two quorums of one electorate, joint or not, share a member", () => {
    fc.assert(
      fc.property(members, members, chosen, chosen, (voters, outgoing, a, b) => {
        const electorate = { voters, outgoing };
        const both = [a, b].every((set) => hasQuorum(electorate, (one) => set.includes(one)));
        if (both) expect(a.some((one) => b.includes(one))).toBe(true);
      }),
    );
  });

  it("RA-17 a joint quorum meets every quorum of the old and of the new list", () => {
    fc.assert(
      fc.property(members, members, chosen, chosen, (voters, outgoing, a, b) => {
        if (!hasQuorum({ voters, outgoing }, (one) => a.includes(one))) return;
        for (const list of [voters, outgoing]) {
          if (!hasQuorum({ voters: list, outgoing: [] }, (one) => b.includes(one))) continue;
          expect(a.some((one) => b.includes(one))).toBe(true);
        }
      }),
    );
  });

  it("RA-17 an election is won, lost or open, and open ones can still be won", () => {
    const vote = fc.constantFrom(true, false, undefined);
    fc.assert(
      fc.property(members, fc.array(vote, { minLength: 10, maxLength: 10 }), (voters, votes) => {
        const electorate = { voters, outgoing: [] };
        const yes = voters.filter((one) => votes[one] === true).length;
        const no = voters.filter((one) => votes[one] === false).length;
        const need = majority(voters.length);
        const expected = yes >= need ? "won" : voters.length - no >= need ? "pending" : "lost";
        expect(countVotes(electorate, (one) => votes[one])).toBe(expected);
      }),
    );
  });

  it("RA-17 nobody decides nothing", () => {
    expect(hasQuorum({ voters: [], outgoing: [] }, () => true)).toBe(false);
    expect(countVotes({ voters: [], outgoing: [] }, () => true)).toBe("lost");
  });
});

import { describe, expect, it } from "vitest";
import type { NodeId } from "../../base/index.js";
import type { Membership } from "./core/membership.js";
import { noLeader } from "./no-leader.js";

const member = (id: string) => ({ id: id as NodeId, address: `${id}:1`, disk: id });

function codeFor(voters: string, connected: string, outgoing = ""): string {
  const list = (ids: string) => [...ids].map(member);
  const membership = {
    voters: list(voters),
    outgoing: list(outgoing),
    learners: [],
  } as unknown as Membership;
  return noLeader({
    membership,
    self: "a" as NodeId,
    retryAfterMs: 10,
    isConnected: (id) => connected.includes(id),
  }).code;
}

describe("a caller who waited for a leader in vain", () => {
  it("RB-5 is told NO_QUORUM by a node that reaches no majority of the voters", () => {
    expect(codeFor("abc", "")).toBe("NO_QUORUM");
    expect(codeFor("abcd", "b")).toBe("NO_QUORUM");
    expect(codeFor("bcd", "b")).toBe("NO_QUORUM");
  });

  it("RB-5 is told NO_LEADER by one that does", () => {
    expect(codeFor("abc", "b")).toBe("NO_LEADER");
    expect(codeFor("a", "")).toBe("NO_LEADER");
    expect(codeFor("bcd", "bd")).toBe("NO_LEADER");
    expect(codeFor("", "")).toBe("NO_LEADER");
  });

  it("RB-5 while the membership is joint both lists count", () => {
    expect(codeFor("ab", "b", "acd")).toBe("NO_QUORUM");
    expect(codeFor("acd", "b", "ab")).toBe("NO_QUORUM");
    expect(codeFor("ab", "bc", "acd")).toBe("NO_LEADER");
  });
});

import { describe, expect, it } from "vitest";
import type { NodeId } from "../../base/index.js";
import { haVerificationHost, type VerifyingParts } from "./verifying.js";

const ids = ["a", "b", "c"] as NodeId[];
const [a, b, c] = ids as [NodeId, NodeId, NodeId];

function membersAt(self: NodeId, primary: NodeId | null) {
  const peers = ids.filter((id) => id !== self);
  const parts = { self, peers, primary: () => primary } as unknown as VerifyingParts;
  return haVerificationHost(parts).members();
}

describe("whose content is right", () => {
  it("HB-12 the primary's, on every node; the standbys are the ones that are put right", () => {
    for (const self of ids) {
      const { voters, learners, joint } = membersAt(self, b);
      expect([voters, [...learners].sort(), joint]).toEqual([[b], [a, c], false]);
    }
  });

  it("HB-12 without a primary nobody's is but the node's own", () => {
    expect(membersAt(a, null)).toEqual({ voters: [a], learners: [b, c], joint: false });
  });
});

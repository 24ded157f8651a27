import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../base/index.js";
import {
  decide,
  diffKeys,
  judge,
  majorityOf,
  type NodeSums,
  sampleShards,
  samplesDiffer,
} from "./judge.js";
import { VERIFY_LIMITS } from "./limits.js";

const id = (name: string) => name as NodeId;

/** A replica whose sums are all 1 but for the shards given. */
function node(
  name: string,
  stored: Record<number, number>,
  more: Partial<NodeSums> = {},
): NodeSums {
  const sums = Array.from({ length: VERIFY_LIMITS.shards }, (_, shard) => stored[shard] ?? 1);
  return { node: id(name), isVoter: true, stored: sums, kept: sums, ...more };
}

const kept = (shards: Record<number, number>) => node("x", shards).stored;

describe("VF-4 who is right", () => {
  test("VF-4 whoever differs from what a majority of the voters holds is wrong, shard by shard", () => {
    const verdict = judge(3, [node("a", { 5: 9 }), node("b", {}), node("c", { 7: 2, 8: 3 })]);
    expect([...verdict.differing]).toEqual([
      [id("a"), [5]],
      [id("c"), [7, 8]],
    ]);
    expect(verdict.undecided).toEqual([]);
    expect(verdict.miscounted.size).toBe(0);
  });

  test("VF-4 silent voters count as if they had another content", () => {
    expect(judge(3, [node("a", {}), node("b", { 5: 9 })]).undecided).toEqual([5]);
    expect(judge(5, [node("a", {}), node("b", {}), node("c", { 5: 9 })]).undecided).toEqual([5]);
    const four = [node("a", {}), node("b", {}), node("c", {}), node("d", { 5: 9 })];
    expect([...judge(5, four).differing]).toEqual([[id("d"), [5]]]);
  });

  test("VF-4 two replicas that differ are undecided, two that agree are not", () => {
    expect(judge(2, [node("a", {}), node("b", { 0: 2, 1023: 2 })])).toMatchObject({
      undecided: [0, 1023],
      differing: new Map(),
    });
    expect(judge(2, [node("a", {}), node("b", {})]).undecided).toEqual([]);
    expect(judge(1, [node("a", {})]).undecided).toEqual([]);
  });

  test("VF-4 a learner is compared and has no say", () => {
    const learner = node("l", { 3: 4 }, { isVoter: false });
    const twin = node("m", { 3: 4 }, { isVoter: false });
    const verdict = judge(3, [node("a", {}), node("b", {}), node("c", {}), learner, twin]);
    expect([...verdict.differing.keys()]).toEqual(["l", "m"]);
  });

  test("VF-4 sums that were kept wrongly over the right content are told apart", () => {
    const verdict = judge(3, [
      node("a", {}),
      node("b", {}),
      node("c", {}, { kept: kept({ 4: 0 }) }),
    ]);
    expect(verdict.differing.size).toBe(0);
    expect([...verdict.miscounted]).toEqual([[id("c"), [4]]]);
  });

  test("VF-4 a majority needs that many, not just the most", () => {
    expect(majorityOf(["a", "b", "a", "c"], 3)).toBeUndefined();
    expect(majorityOf(["a", "b", "a", "a"], 3)).toBe("a");
    expect(majorityOf([], 1)).toBeUndefined();
  });
});

describe("VF-5 the sample", () => {
  test("VF-5 ten rounds in a row take every shard exactly once", () => {
    for (const first of [0, 3, 17]) {
      const rounds = Array.from({ length: 10 }, (_, at) => sampleShards(first + at));
      const taken = rounds.flat().sort((a, b) => a - b);
      expect(taken).toEqual(Array.from({ length: 1_024 }, (_, shard) => shard));
      for (const shards of rounds) expect([102, 103]).toContain(shards.length);
    }
  });

  const one = { shard: 3, count: 2, keys: [7, 8], prefixHashes: [1, 1], checksums: [5, 6] };
  test.each([
    ["count", { count: 3 }],
    ["a key", { keys: [7, 9] }],
    ["a prefix hash", { prefixHashes: [1, 2] }],
    ["a checksum", { checksums: [5, 7] }],
    ["a shorter list", { keys: [7], prefixHashes: [1], checksums: [5] }],
  ])("VF-5 samples differ by %s", (_what, change) => {
    expect(samplesDiffer([one], [{ ...one, ...change }])).toEqual([3]);
  });

  test("VF-5 equal samples do not differ, missing ones do", () => {
    expect(samplesDiffer([one], [structuredClone(one)])).toEqual([]);
    expect(samplesDiffer([one], [])).toEqual([3]);
  });
});

describe("VF-6 what is done about it", () => {
  test.each([
    [1, 0, "repair"],
    [10, 1_000, "repair"],
    [11, 0, "sync"],
    [1, 1_001, "sync"],
    [null, 0, "sync"],
  ] as const)("VF-6 %s differences, %i entries behind: %s", (count, gapEntries, how) => {
    expect(decide({ count, gapEntries })).toBe(how);
  });

  test("VF-6 keys that are missing, too many, or of other content are named with their versions", () => {
    const here = [
      { key: "n:a", hash: 1, version: 4 },
      { key: "n:b", hash: 2, version: 5 },
      { key: "n:d", hash: 9, version: 6 },
    ];
    const right = [
      { key: "n:a", hash: 1, version: 4 },
      { key: "n:b", hash: 3, version: 7 },
      { key: "n:c", hash: 4, version: 8 },
    ];
    expect(diffKeys(here, right)).toEqual([
      { key: "n:b", type: "CHECKSUM_MISMATCH", version: 5, rightVersion: 7 },
      { key: "n:c", type: "KEY_NOT_FOUND", version: null, rightVersion: 8 },
      { key: "n:d", type: "EXTRA_KEY", version: 6, rightVersion: null },
    ]);
    expect(diffKeys(right, right)).toEqual([]);
  });
});

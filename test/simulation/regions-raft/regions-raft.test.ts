import { describe, expect, it } from "vitest";
import { findMutation } from "./find-mutations.js";
import { MUTATIONS } from "./mutations.js";
import { runSeed } from "./run.js";

/** `SIM_SEED` and `SIM_COUNT` run other seeds, and more of them; 2000 is the full size. */
const first = Number(process.env.SIM_SEED ?? 1);
const count = Number(process.env.SIM_COUNT ?? 16);
/** With `SIM_MUTATIONS=all` every planted bug is searched from seed 1 on, not only where it was seen. */
const searchAll = process.env.SIM_MUTATIONS === "all";
const BATCHES = 4;

describe("regions of simulated raft clusters", () => {
  const size = Math.ceil(count / BATCHES);
  const batches = Array.from({ length: BATCHES }, (_, at) => first + at * size).filter(
    (from) => from < first + count,
  );

  it.each(batches)(
    "MR-8 MR-20 MR-31 MR-38 end in the same state, with every write seen or listed: seeds from %i (FC-110, FC-114, FC-115)",
    (from) => {
      let acknowledged = 0;
      for (let seed = from; seed < Math.min(from + size, first + count); seed += 1) {
        acknowledged += runSeed(seed).acknowledged;
      }
      expect(acknowledged).toBeGreaterThan(0);
    },
    36_000_000,
  );

  it("MR-35 MR-15 the runs contain what they are for", () => {
    const seen = new Map<string, number>();
    for (const seed of KINDS) {
      for (const [what, times] of runSeed(seed).counts) {
        seen.set(what, (seen.get(what) ?? 0) + times);
      }
    }
    for (const what of WANTED) expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
  }, 120_000);

  it("MR-20 the same seed ends in the same trace", () => {
    expect(runSeed(4).trace).toBe(runSeed(4).trace);
  }, 120_000);
});

const KINDS = [40, 47, 121, 126];
const WANTED = [
  "crash",
  "restart",
  "cut",
  "pause",
  "slow_disk",
  "compact",
  "transfer",
  "clock",
  "lost",
  "given_up",
  "readmitted",
  "not readmitted",
  "forgotten",
  "resolved",
  "reached",
  "not reached",
  "region_relayed",
  "region_clock_ahead",
  "region_needs_copy",
];

describe("the checkers find planted bugs", () => {
  it.each(MUTATIONS)(
    "$name",
    (mutation) => {
      const from = searchAll ? 1 : mutation.seed;
      expect(findMutation(mutation, { from, to: from + 200 })).toBeDefined();
    },
    3_600_000,
  );
});

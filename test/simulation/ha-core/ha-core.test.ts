import { describe, expect, it } from "vitest";
import { findMutation } from "./find-mutations.js";
import { MUTATIONS } from "./mutations.js";
import { runSeed } from "./run.js";

/** `SIM_SEED`, `SIM_COUNT` and `SIM_STEPS` run other seeds, more of them, and longer. */
const first = Number(process.env.SIM_SEED ?? 1);
const count = Number(process.env.SIM_COUNT ?? 160);
const steps = Number(process.env.SIM_STEPS ?? 4000);
/** With `SIM_MUTATIONS=all` every planted bug is searched from seed 1 on, not only where it was seen. */
const searchAll = process.env.SIM_MUTATIONS === "all";
const MUTATION_STEPS = 4000;
const BATCHES = 8;

describe("simulated primaries and standbys", () => {
  const size = Math.ceil(count / BATCHES);
  const batches = Array.from({ length: BATCHES }, (_, at) => first + at * size);

  it.each(batches)(
    "HA-1 HA-6 HA-27 are safe at every step, then live: seeds from %i (FC-084, FC-086)",
    (from) => {
      const notes = new Set<string>();
      let answers = 0;
      for (let seed = from; seed < Math.min(from + size, first + count); seed += 1) {
        const report = runSeed(seed, steps);
        answers += report.answers;
        for (const name of report.notes.keys()) notes.add(name);
      }
      expect(answers).toBeGreaterThan(0);
      expect(notes).toContain("primary_ready");
    },
    600_000,
  );

  it.each([
    [29, "who led last and who sought an epoch since each waited for the other"],
    [1031, "entries of several own epochs were in no salvage file"],
    [1385, "a log that ends before the primary's begins was cut unseen"],
    [1456, "what a forced promotion left behind was charged to a later one"],
    [1872, "who was forced was outranked by epochs that it had not seen"],
    [3082, "an epoch of a disk that is gone is taken again"],
  ])("HA-27 seed %i: %s", (seed) => {
    expect(runSeed(seed, 4000).steps).toBeGreaterThan(0);
  });

  it("HA-28 the same seed ends in the same trace", () => {
    const again = (seed: number) => runSeed(seed, 2000).trace;
    for (const seed of [2, 7, 11]) expect(again(seed)).toBe(again(seed));
  });
});

describe("the checkers find planted bugs", () => {
  it.each(MUTATIONS)(
    "HA-29 $name",
    (mutation) => {
      const from = searchAll ? 1 : mutation.seed;
      const finding = findMutation(mutation, { from, to: 500, steps: MUTATION_STEPS });
      expect(finding).toBeDefined();
    },
    600_000,
  );
});

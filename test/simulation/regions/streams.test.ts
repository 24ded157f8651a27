import { describe, expect, it } from "vitest";
import { join } from "../../../pkg/replication/multi-region/core/vectors.js";
import { type StreamOptions, StreamWorld } from "./stream-world.js";

/** Seeds of each strategy and number of regions; 350 is the full size. */
const RUNS = Number(process.env.SIM_COUNT ?? 8);
const FROM = Number(process.env.SIM_SEED ?? 0);
const STRATEGIES = ["last_write_wins", "first_write_wins", "manual"] as const;

describe.each(STRATEGIES)("%s", (strategy) => {
  it.each([2, 3])(
    "MR-31 %i regions have everything, once, through cuts, changes of leaders and clocks that jump (FC-114)",
    (regions) => {
      for (let run = FROM; run < FROM + RUNS; run += 1) {
        const seed = `${strategy}/${regions}/${run}`;
        expect(new StreamWorld({ seed, regions, strategy }).run(), seed).toEqual([]);
      }
    },
    3_600_000,
  );
});

const PLANTED: readonly (readonly [string, Partial<StreamOptions>])[] = [
  ["MR-31 a sender that goes on from where it was", { stream: { resumeAt: Math.max } }],
  ["MR-34 a receiver that says that it has what is under way", { stream: { contained: join } }],
  [
    "MR-36 a region that tells for ever what it contains (FC-113)",
    { stream: { isNews: () => true } },
  ],
  ["MR-36 a region that never tells what it contains", { stream: { isNews: () => false } }],
  [
    "MR-38 a wait that is over before the change is there",
    { stream: { isThere: (seq, acknowledged) => seq <= acknowledged + 1 } },
  ],
  [
    "MR-10 a state that goes on behind a gap",
    {
      machine: { order: (have, seq) => (seq <= have ? "known" : "next") },
      stream: { resumeAt: Math.max },
    },
  ],
  ["MR-10 a state that takes a change twice", { machine: { order: () => "next" } }],
  ["MR-2 a tie that the region does not break", { machine: { compare: (a, b) => a.ms - b.ms } }],
  ["MR-4 a write that takes the place of what it did not know", { machine: { knew: () => true } }],
  ["MR-4 a write that does not replace what it knew", { machine: { knew: () => false } }],
  [
    "MR-11 a change that is taken before what its writer knew",
    { machine: { isReady: () => true } },
  ],
  [
    "MR-14 a tombstone that goes while a region has not seen it",
    { machine: { mayForget: () => true } },
  ],
];

it.each(PLANTED)(
  "%s is found",
  (name, planted) => {
    for (let run = 0; run < 500; run += 1) {
      const options = { seed: `${name}/${run}`, regions: 3, strategy: "last_write_wins" } as const;
      if (isFound({ ...options, ...planted })) return;
    }
    expect.fail("nobody noticed");
  },
  600_000,
);

function isFound(options: StreamOptions): boolean {
  try {
    return new StreamWorld(options).run().length > 0;
  } catch (error) {
    if (error instanceof Error && error.name === "InvariantViolation") return true;
    throw error;
  }
}

it("MR-35 the runs contain what they are for", () => {
  const seen = new Map<string, number>();
  const add = (what: string, by: number) => seen.set(what, (seen.get(what) ?? 0) + by);
  for (let run = 0; run < 20; run += 1) {
    const world = new StreamWorld({ seed: `kinds/${run}`, regions: 3, strategy: "manual" });
    expect(world.run()).toEqual([]);
    for (const [what, times] of world.counts) add(what, times);
    for (const { nodes } of world.clusters) {
      for (const { notes } of nodes) for (const [event, times] of notes) add(event, times);
    }
  }
  const wanted = ["leader", "reached", "not reached", "forgotten", "region_relayed"];
  for (const what of [...wanted, "region_unreachable", "region_clock_ahead"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
  }
}, 120_000);

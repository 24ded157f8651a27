import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../../pkg/base/index.js";
import { canonicalText } from "../../../pkg/storage/canonical.js";
import type { Strategy } from "../../../pkg/storage/regions/decide.js";
import type { RegionRules } from "../../../pkg/storage/regions/rules.js";
import { findProblems, unlisted } from "./judge.js";
import { RegionsWorld, type WorldOptions } from "./regions-world.js";

/** Histories of each strategy, half over two regions, half over three; 10000 is the full size. */
const RUNS = Number(process.env.SIM_COUNT ?? 80);
const FROM = Number(process.env.SIM_SEED ?? 0);
const STEPS = 80;

const largest: Strategy = {
  resolve: ({ versions }) => {
    const texts = versions.map(({ value }) => canonicalText(value)).sort();
    return JSON.parse(texts.at(-1) as string) as JsonValue;
  },
};
const STRATEGIES: readonly (readonly [string, Strategy])[] = [
  ["last_write_wins", "last_write_wins"],
  ["first_write_wins", "first_write_wins"],
  ["manual", "manual"],
  ["a resolver of the user's", largest],
];

function ended(options: WorldOptions): RegionsWorld {
  const world = new RegionsWorld(options);
  world.run();
  return world;
}

describe.each(STRATEGIES)("%s", (name, strategy) => {
  it.each([2, 3])(
    "MR-8 %i regions end in the same state with the same conflicts, whatever the order (FC-115)",
    (regions) => {
      for (let run = FROM; run < FROM + RUNS / 2; run += 1) {
        const seed = `${name}/${regions}/${run}`;
        const closedMax = run % 2 === 0 ? 4 : 1_000;
        const world = ended({ seed, regions, strategy, steps: STEPS, closedMax });
        expect(findProblems(world), seed).toEqual([]);
      }
    },
    3_600_000,
  );
});

it("MR-7 whoever writes over a conflict that he knows lists every side of it (FC-119)", () => {
  for (let run = 0; run < RUNS; run += 1) {
    const seed = `unlisted/${run}`;
    const world = ended({ seed, regions: 3, strategy: "last_write_wins", steps: STEPS });
    expect(unlisted(world), seed).toEqual([]);
  }
});

const PLANTED: readonly (readonly [string, Partial<WorldOptions>])[] = [
  [
    "MR-1 a clock that follows the wall clock back",
    plant({ nextReading: (_, ms) => ({ ms, counter: 0 }) }),
  ],
  [
    "MR-2 a tie that the region does not break",
    plant({ compare: (a, b) => a.ms - b.ms || a.counter - b.counter }),
  ],
  ["MR-4 a write that takes the place of what it did not know", plant({ knew: () => true })],
  ["MR-4 a write that does not take the place of what it knew", plant({ knew: () => false })],
  [
    "MR-10 a batch that is dropped, and a receiver that goes on behind it",
    { ...plant({ order: (have, seq) => (seq <= have ? "known" : "next") }), dropsBatches: true },
  ],
  ["MR-10 a change that is taken twice", plant({ order: () => "next" })],
  ["MR-11 a change that is taken before what its writer knew", plant({ isReady: () => true })],
  [
    "MR-14 a tombstone that is dropped while a region has not seen it",
    plant({ mayForget: () => true }),
  ],
];

function plant(rules: Partial<RegionRules>): Partial<WorldOptions> {
  return { rules };
}

it.each(PLANTED)("%s is found", (name, planted) => {
  for (let run = 0; run < 500; run += 1) {
    const options = { seed: `${name}/${run}`, regions: 3, strategy: "last_write_wins" } as const;
    if (findProblems(ended({ ...options, steps: STEPS, ...planted })).length > 0) return;
  }
  expect.fail("nobody noticed");
});

it("MR-8 the histories contain what they are for", () => {
  const seen = new Map<string, number>();
  const count = (what: string, by = 1) => seen.set(what, (seen.get(what) ?? 0) + by);
  for (let run = 0; run < 150; run += 1) {
    const world = ended({ seed: `kinds/${run}`, regions: 3, strategy: "manual", steps: STEPS });
    count("forgotten", world.forgotten);
    count("alarm", world.alarms);
    for (const [why, times] of world.refused) count(why, times);
    for (const { kind } of world.regions[0]?.state.conflicts() ?? []) count(kind);
    for (const { change } of world.events) {
      for (const { kind, how } of change.closed) count(`${kind} ${how}`);
      for (const { properties } of change.things) {
        if (properties.some(({ contains }) => contains !== undefined)) count("number set");
      }
    }
  }
  const wanted = ["forgotten", "alarm", "known", "early", "number set"];
  const kinds = ["value", "update_delete", "edge_end", "increment"];
  for (const what of [
    ...wanted,
    ...kinds,
    ...kinds.slice(0, 2).map((kind) => `${kind} resolved`),
  ]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
  }
});

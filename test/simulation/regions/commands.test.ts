import { describe, expect, it } from "vitest";
import type { RegionRules } from "../../../pkg/storage/regions/rules.js";
import { type CommandOptions, CommandWorld, LARGEST } from "./command-world.js";

/** Histories of each strategy; 10000 is the full size. */
const RUNS = Number(process.env.SIM_COUNT ?? 60);
const FROM = Number(process.env.SIM_SEED ?? 0);
const STEPS = 90;
const STRATEGIES = ["last_write_wins", "first_write_wins", "manual", "resolver"] as const;

function optionsOf(seed: string, more: Partial<CommandOptions>): CommandOptions {
  const strategy = more.strategy ?? "last_write_wins";
  const resolver = strategy === "resolver" ? LARGEST : undefined;
  return { seed, strategy, resolver, steps: STEPS, ...more };
}

describe.each(STRATEGIES)("%s", (strategy) => {
  it("MR-8 MR-15 MR-22 regions end alike whatever the order, while some are given up, come back or begin from a copy (FC-115, FC-120)", () => {
    for (let run = FROM; run < FROM + RUNS; run += 1) {
      const options = optionsOf(`${strategy}/${run}`, { strategy });
      expect(new CommandWorld(options).run(), options.seed).toEqual([]);
    }
  }, 36_000_000);
});

it("MR-15 the histories contain what they are for", () => {
  const seen = new Map<string, number>();
  for (let run = 0; run < 80; run += 1) {
    const world = new CommandWorld(optionsOf(`kinds/${run}`, {}));
    world.run();
    for (const [what, times] of world.counts) seen.set(what, (seen.get(what) ?? 0) + times);
  }
  const kinds = ["adopted", "resolved", "forgotten", "passed on", "gap", "early"];
  const lost = ["given up", "readmitted", "not readmitted", "gone"];
  for (const what of [...kinds, ...lost]) expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
}, 120_000);

const PLANTED: readonly (readonly [string, Partial<RegionRules>])[] = [
  ["MR-4 a write that takes the place of what it did not know", { knew: () => true }],
  ["MR-10 a change that is taken twice", { order: () => "next" }],
  ["MR-11 a change that is taken before what its writer knew", { isReady: () => true }],
  ["MR-14 a tombstone that goes while a region has not seen it", { mayForget: () => true }],
];

it.each(PLANTED)(
  "%s is found",
  (name, rules) => {
    for (let run = 0; run < 500; run += 1) {
      if (new CommandWorld(optionsOf(`${name}/${run}`, { rules })).run().length > 0) return;
    }
    expect.fail("nobody noticed");
  },
  600_000,
);

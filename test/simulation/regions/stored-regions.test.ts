import { expect, it } from "vitest";
import { type JsonValue, parseRegionId, type RegionId } from "../../../pkg/base/index.js";
import { closedName } from "../../../pkg/storage/regions/closed-conflicts.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import { pureOutcome } from "./pure-outcome.js";
import { NODE_IDS, randomOperations } from "./random-operations.js";
import { StoredRegion } from "./stored-region.js";

const RUNS = Number(process.env.SIM_COUNT ?? 6);
const FROM = Number(process.env.SIM_SEED ?? 0);
const STEPS = 160;
const START_MS = 1_700_000_000_000;
const STRATEGIES = ["last_write_wins", "first_write_wins", "manual"] as const;
type StrategyName = (typeof STRATEGIES)[number];

class StoredWorld {
  readonly #random: SeededRandom;
  readonly #strategy: StrategyName;
  readonly regions: StoredRegion[] = [];
  /** Every change there was, as it was first told. */
  readonly #told = new Map<RegionId, string[]>();
  relayed = 0;
  conflicts = 0;
  #nowMs = START_MS;

  constructor(seed: string, strategy: StrategyName) {
    this.#random = seededRandom(seed);
    this.#strategy = strategy;
  }

  async run(): Promise<readonly string[]> {
    const names = ["eu", "us", "ap"].map((name) => parseRegionId(name) as RegionId);
    for (const self of names) {
      const others = names.filter((other) => other !== self).sort();
      const settings = { self, others, strategy: this.#strategy, driftMsMax: 10_000 };
      this.regions.push(await StoredRegion.found(this.#random.fork(self), settings));
      this.#told.set(self, []);
    }
    for (let step = 0; step < STEPS; step += 1) {
      const region = await this.#step();
      const isChecked = this.#random.chance(1, 5);
      const found = isChecked ? await this.#problemsOf(region) : [];
      if (found.length > 0) return [`step ${step}`, ...found];
    }
    for (let round = 0; round < 6; round += 1) {
      for (const to of this.regions) for (const from of this.regions) await this.#hear(from, to);
    }
    return this.#problems();
  }

  async #step(): Promise<StoredRegion> {
    const random = this.#random;
    this.#nowMs += random.pick([0, 1, 500]);
    const region = random.pick(this.regions);
    const kind = random.below(20);
    if (kind < 9) await region.write(randomOperations(random), this.#nowMs);
    else if (kind < 14) await this.#hear(random.pick(this.regions), region);
    else if (kind < 15) await this.#relay(region);
    else if (kind < 16) await this.#increment(region);
    else if (kind < 17) await this.#resolve(region);
    else if (kind < 19) {
      await region.run({ op: "forget", beforeMs: this.#nowMs + 1e9, after: "" }, this.#nowMs);
    } else region.skewMs = random.pick([0, 700, -3_600_000, 3_600_000]);
    this.#note(region);
    return region;
  }

  /** Before others have it and it is dropped. */
  #note(region: StoredRegion): void {
    const told = this.#told.get(region.self) as string[];
    const page = region.first.regions.changes(region.self, told.length, ALL);
    told.push(...page.texts);
  }

  async #hear(from: StoredRegion, to: StoredRegion): Promise<void> {
    if (from === to) return;
    const { self } = from;
    const have = to.state.meta.have.get(self) ?? 0;
    const again = this.#random.chance(1, 6) ? 1 : 0;
    const told = this.#told.get(self) as string[];
    const texts = told.slice(Math.max(0, have - again)).slice(0, 1 + this.#random.below(20));
    const contains = from.state.meta.have;
    const upTo = contains.get(self) ?? 0;
    await to.run({ op: "receive", from: self, upTo, contains, texts }, this.#nowMs);
  }

  /** Passes on what it heard from a third. */
  async #relay(to: StoredRegion): Promise<void> {
    const others = this.regions.filter((other) => other !== to);
    const [from, third] = this.#random.chance(1, 2) ? others : others.reverse();
    if (from === undefined || third === undefined) return;
    const have = to.state.meta.have.get(third.self) ?? 0;
    if (have < (from.state.floor.get(third.self) ?? 0)) return;
    const { texts } = from.first.regions.changes(third.self, have, ALL);
    this.relayed += texts.length;
    const contains = from.state.meta.have;
    const upTo = contains.get(from.self) ?? 0;
    await to.run({ op: "receive", from: from.self, upTo, contains, texts }, this.#nowMs);
  }

  async #increment(region: StoredRegion): Promise<void> {
    const id = this.#random.pick(NODE_IDS);
    await region.write([{ op: "increment_node", id, property: "n", by: 3 }], this.#nowMs);
  }

  async #resolve(region: StoredRegion): Promise<void> {
    const { conflicts } = region.first.conflicts("", 100);
    this.conflicts += conflicts.length;
    const [conflict] = conflicts;
    if (conflict === undefined) return;
    const choice = { keep: "winner" } as const;
    const result = await region.run({ op: "resolve", id: conflict.id, choice }, this.#nowMs);
    if (!result.ok) throw new Error(`${conflict.id}: ${result.message}`);
  }

  async #problems(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const region of this.regions) found.push(...(await region.problems()));
    for (const region of this.regions) found.push(...(await this.#problemsOf(region)));
    const outcomes = await Promise.all(this.regions.map(outcomeOf));
    if (new Set(outcomes).size > 1) found.push(`regions differ:\n${outcomes.join("\n")}`);
    return found;
  }

  async #problemsOf(region: StoredRegion): Promise<readonly string[]> {
    const { have } = region.state.meta;
    const expected = JSON.stringify(pureOutcome(this.#told, have, this.#strategy));
    const is = await outcomeOf(region);
    return is === expected ? [] : [`${region.self} is\n${is}\nand should be\n${expected}`];
  }
}

async function outcomeOf(region: StoredRegion): Promise<string> {
  const graph = [...(await region.graph())].map(([key, thing]) => {
    const { labels, properties, from, to, type } = thing as Record<string, JsonValue>;
    const shape = from === undefined ? null : { from, to, type };
    return JSON.stringify([key, labels ?? [], properties, shape]);
  });
  const open = region.first.conflicts("", 1_000).conflicts;
  const conflicts = open.map((conflict) => JSON.stringify(conflict)).sort();
  const closed = region.state.meta.closed.map(closedName);
  return JSON.stringify({ graph: graph.sort(), conflicts, closed });
}

const ALL = { countMax: 10_000, charsMax: 10_000_000 };

it("MR-19 MR-20 stored regions end as the pure merge says, and all their nodes alike", async () => {
  const seen = { relayed: 0, conflicts: 0, restarts: 0 };
  for (let run = FROM; run < FROM + RUNS; run += 1) {
    const strategy = STRATEGIES[run % STRATEGIES.length] as StrategyName;
    const world = new StoredWorld(`stored/${run}`, strategy);
    try {
      expect(await world.run(), `run ${run}`).toEqual([]);
    } finally {
      for (const region of world.regions) await region.close();
    }
    seen.relayed += world.relayed;
    seen.conflicts += world.conflicts;
    for (const { restarts } of world.regions) seen.restarts += restarts;
  }
  for (const [what, times] of Object.entries(seen)) expect(times, what).toBeGreaterThan(0);
}, 600_000);

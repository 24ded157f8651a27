import { type JsonValue, parseRegionId, type RegionId } from "../../../pkg/base/index.js";
import { ReplicationError } from "../../../pkg/replication/errors.js";
import type { ApplyResult } from "../../../pkg/replication/ports/index.js";
import { encodeOperations, type Operation } from "../../../pkg/storage/index.js";
import { closedName } from "../../../pkg/storage/regions/closed-conflicts.js";
import type { Resolver } from "../../../pkg/storage/regions/decide.js";
import { encodeRegionOperation } from "../../../pkg/storage/regions/region-commands.js";
import type { Region } from "../../../pkg/storage/regions/region-record.js";
import type { StrategyName } from "../../../pkg/storage/regions/region-settings.js";
import { REGION_RULES, type RegionRules } from "../../../pkg/storage/regions/rules.js";
import { includes } from "../../../pkg/storage/regions/version-vector.js";
import { Entries } from "../../contract/index.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";
import { MemoryRegion } from "./memory-region.js";
import { pureOutcome, type RegionOutcome } from "./pure-outcome.js";
import { NODE_IDS, randomOperations } from "./random-operations.js";

export interface CommandOptions {
  readonly seed: string;
  readonly strategy: StrategyName;
  readonly resolver?: Resolver | undefined;
  readonly steps: number;
  readonly rules?: Partial<RegionRules> | undefined;
}

type Sent = Parameters<typeof encodeRegionOperation>[0];

/** A region as one node, with every change it made. */
interface Place {
  readonly id: RegionId;
  readonly machine: MemoryRegion;
  readonly entries: Entries;
  readonly told: string[];
  skewMs: number;
  /** It lacks what is not kept any more, and is not waited for. */
  isGone: boolean;
}

const START_MS = 1_700_000_000_000;
const [EU, US, AP, NEW] = ["eu", "us", "ap", "new"].map((name) => parseRegionId(name)) as [
  RegionId,
  RegionId,
  RegionId,
  RegionId,
];

/**
 * Regions that do everything by commands, as their leaders would: they write, send in any order,
 * pass on, forget, resolve, give each other up and come back, and a new one begins from a copy.
 */
export class CommandWorld {
  readonly counts = new Map<string, number>();
  readonly #options: CommandOptions;
  readonly #random: SeededRandom;
  readonly #rules: RegionRules;
  readonly #places: Place[] = [];
  readonly #found: string[] = [];
  /** Steps until the new region is named everywhere, and copied. */
  #names: readonly RegionId[];
  #nowMs = START_MS;

  constructor(options: CommandOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#rules = { ...REGION_RULES, ...options.rules };
    this.#names = this.#random.pick([
      [EU, US],
      [EU, US, AP],
    ]);
    for (const id of this.#names) {
      const machine = new MemoryRegion(this.#rules, options.resolver);
      const place = { id, machine, entries: new Entries(), told: [], skewMs: 0, isGone: false };
      this.#places.push(place);
      this.#settle(place);
    }
  }

  /** @returns what is wrong; empty: nothing */
  run(): readonly string[] {
    const { steps } = this.#options;
    const admitsAt = this.#random.chance(1, 3) ? this.#random.below(steps) : -1;
    for (let step = 0; step < steps; step += 1) {
      if (step === admitsAt) this.#name();
      if (step === admitsAt + 5 && admitsAt >= 0) this.#copy();
      this.#step();
    }
    this.#end();
    return [...this.#found, ...this.#differences()];
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #step(): void {
    const random = this.#random;
    this.#nowMs += random.pick([0, 1, 500]);
    const place = random.pick(this.#places);
    const kind = random.below(40);
    if (kind < 15) this.#write(place, randomOperations(random));
    else if (kind < 27) this.#send(random.pick(this.#places), place);
    else if (kind < 29) this.#passOn(random.pick(this.#places), place);
    else if (kind < 32) this.#increment(place);
    else if (kind < 34) this.#resolve(place);
    else if (kind < 37) this.#forget(place);
    else if (kind < 38) this.#giveUp(place);
    else if (kind < 39) this.#readmit(place, random.pick(this.#places));
    else place.skewMs = random.pick([0, 700, -3_600_000, 3_600_000]);
  }

  #settle(place: Place): void {
    this.#run(place, { op: "settle", settings: this.#settingsOf(place.id) });
  }

  #settingsOf(self: RegionId) {
    const others = this.#names.filter((other) => other !== self).sort();
    return { self, others, strategy: this.#options.strategy, driftMsMax: 10_000 };
  }

  /** Every region names the new one before a copy for it is made. */
  #name(): void {
    this.#names = [...this.#names, NEW];
    for (const place of this.#random.shuffle(this.#places)) this.#settle(place);
  }

  /** Of a region that lacks nothing which others do not keep any more. */
  #copy(): void {
    const whole = this.#places.filter((place) =>
      this.#places.every((other) =>
        includes(this.#regionOf(place).meta.have, this.#regionOf(other).floor),
      ),
    );
    if (whole.length === 0) return;
    const from = this.#random.pick(whole);
    const machine = from.machine.copy();
    const entries = new Entries(machine.applied);
    const place = { id: NEW, machine, entries, told: [], skewMs: 0, isGone: false };
    machine.takeAppended(NEW);
    const result = this.#run(place, { op: "adopt", settings: this.#settingsOf(NEW) });
    if (!result.ok) this.#found.push(`a copy of ${from.id} is no region: ${result.message}`);
    this.#places.push(place);
    this.#count("adopted");
  }

  #regionOf(place: Place): Region {
    return place.machine.region as Region;
  }

  #have(place: Place, origin: RegionId): number {
    return this.#regionOf(place).meta.have.get(origin) ?? 0;
  }

  #log(place: Place, command: { readonly type: number; readonly data: Uint8Array }): ApplyResult {
    const Timestamp = new Date(this.#nowMs + place.skewMs).toISOString();
    const [result] = place.machine.apply([place.entries.plain(command, { Timestamp })]);
    place.told.push(...place.machine.takeAppended(place.id));
    return result as ApplyResult;
  }

  #run(place: Place, operation: Sent): ApplyResult {
    return this.#log(place, encodeRegionOperation(operation));
  }

  #write(place: Place, operations: readonly Operation[]): void {
    this.#log(place, encodeOperations(operations));
  }

  #increment(place: Place): void {
    const id = this.#random.pick(NODE_IDS);
    const property = this.#random.pick(["n", "n", "p"]);
    const by = this.#random.between(-3, 9);
    this.#write(place, [{ op: "increment_node", id, property, by }]);
  }

  #resolve(place: Place): void {
    const open = place.machine.conflicts();
    if (open.length === 0) return;
    const { id, losers } = this.#random.pick(open);
    const { origin, seq } = this.#random.pick(losers);
    const choice = this.#random.pick([
      { keep: "winner" } as const,
      { keep: "loser", origin, seq } as const,
      { value: 7 },
    ]);
    if (this.#run(place, { op: "resolve", id, choice }).ok) this.#count("resolved");
  }

  #forget(place: Place): void {
    const result = this.#run(place, { op: "forget", beforeMs: this.#nowMs + 1e9, after: "" });
    const value = (result.ok ? result.value : {}) as { readonly forgotten?: number };
    if ((value.forgotten ?? 0) > 0) this.#count("forgotten");
  }

  #giveUp(place: Place): void {
    const others = this.#places.filter((other) => other !== place);
    if (others.length === 0) return;
    this.#run(place, { op: "give_up", region: this.#random.pick(others).id });
    this.#count("given up");
  }

  #readmit(place: Place, other: Place): boolean {
    if (!this.#regionOf(place).meta.lost.has(other.id)) return true;
    const contains = this.#regionOf(other).meta.have;
    const { ok } = this.#run(place, { op: "readmit", region: other.id, contains });
    this.#count(ok ? "readmitted" : "not readmitted");
    return ok;
  }

  /** As many as there are, from where the receiver is, or a few of them again, or behind a gap. */
  #send(from: Place, to: Place): void {
    if (from === to || this.#isShut(from, to)) return;
    const have = this.#have(to, from.id);
    const shift = this.#random.pick([0, 0, 0, -1, -2, 1]);
    const kept = this.#kept(from, from.id, Math.max(0, have + shift), to);
    this.#receive(from, to, kept.slice(0, 1 + this.#random.below(12)));
  }

  /** What it has of a third one, which may have been given up by any of them. */
  #passOn(from: Place, to: Place): void {
    const third = this.#random.pick(this.#names);
    if (from === to || third === to.id || third === from.id || this.#isShut(from, to)) return;
    const { floor } = this.#regionOf(from);
    const have = this.#have(to, third);
    if (have < (floor.get(third) ?? 0)) return;
    this.#receive(from, to, from.machine.changesOf(third, have, 1 + this.#random.below(8)));
    this.#count("passed on");
  }

  #kept(from: Place, origin: RegionId, after: number, to: Place): readonly string[] {
    try {
      return from.machine.changesOf(origin, after, 1_000);
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      if (after >= this.#have(to, origin)) this.#found.push(`${origin} keeps too little`);
      return [];
    }
  }

  /** The sender does not tell those that it gave up; the receiver does not listen to them. */
  #isShut(from: Place, to: Place): boolean {
    return this.#isLost(from, to) || this.#isLost(to, from) || from.isGone || to.isGone;
  }

  #isLost(by: Place, { id }: Place): boolean {
    return this.#regionOf(by).meta.lost.has(id);
  }

  #receive(from: Place, to: Place, texts: readonly string[]): void {
    const contains = this.#regionOf(from).meta.have;
    const upTo = contains.get(from.id) ?? 0;
    const result = this.#run(to, { op: "receive", from: from.id, upTo, contains, texts });
    const value = (result.ok ? result.value : {}) as {
      readonly stopped?: { readonly outcome: string } | null;
    };
    this.#count(value.stopped?.outcome ?? "taken");
  }

  /** Who was given up comes back or is gone; then everybody hears everything. */
  #end(): void {
    for (const place of this.#places) {
      const others = this.#places.filter((other) => other !== place && !other.isGone);
      if (others.every((other) => this.#readmit(other, place))) continue;
      place.isGone = true;
      this.#count("gone");
    }
    for (let round = 0; round < 2 * this.#places.length; round += 1) {
      for (const from of this.#places) for (const to of this.#places) this.#tellAll(from, to);
    }
  }

  #tellAll(from: Place, to: Place): void {
    if (from === to || from.isGone || to.isGone) return;
    const own = this.#kept(from, from.id, this.#have(to, from.id), to);
    this.#receive(from, to, own);
    for (const { id, isGone } of this.#places) {
      if (!isGone || id === to.id || this.#have(from, id) <= this.#have(to, id)) continue;
      this.#receive(from, to, this.#kept(from, id, this.#have(to, id), to));
    }
  }

  #differences(): readonly string[] {
    const left = this.#places.filter(({ isGone }) => !isGone);
    const [first] = left;
    if (first === undefined) return [];
    const { have } = this.#regionOf(first).meta;
    const told = new Map(this.#places.map((place) => [place.id, place.told] as const));
    const { strategy, resolver } = this.#options;
    const decides = resolver === undefined ? strategy : { resolve: resolver };
    const found: string[] = [];
    for (const order of [1, 2]) {
      const random = this.#random.fork(`order ${order}`);
      const expected = JSON.stringify(pureOutcome(told, have, decides as never, [], random));
      for (const place of left) {
        const is = JSON.stringify(outcomeOf(place));
        if (is !== expected) found.push(`${place.id} is\n${is}\nand should be\n${expected}`);
      }
    }
    for (const { id, told: texts, isGone } of this.#places) {
      if (!isGone && (have.get(id) ?? 0) !== texts.length) found.push(`changes of ${id} are away`);
    }
    return found;
  }
}

function outcomeOf({ machine }: Place): RegionOutcome {
  return {
    graph: machine.graph(),
    conflicts: machine
      .conflicts()
      .map((conflict) => JSON.stringify(conflict))
      .sort(),
    closed: (machine.region as Region).meta.closed.map(closedName),
  };
}

/** Makes the same of the same versions, whatever order they are given in. */
export const LARGEST: Resolver = ({ versions }) => {
  const texts = versions.map(({ value }) => JSON.stringify(value)).sort();
  return JSON.parse(texts.at(-1) as string) as JsonValue;
};

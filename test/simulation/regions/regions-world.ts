import { type JsonValue, parseRegionId, type RegionId } from "../../../pkg/base/index.js";
import { canonicalText } from "../../../pkg/storage/canonical.js";
import type { Change } from "../../../pkg/storage/regions/change.js";
import { changeText, parseChange } from "../../../pkg/storage/regions/change-text.js";
import { closedName } from "../../../pkg/storage/regions/closed-conflicts.js";
import type { Image, Strategy } from "../../../pkg/storage/regions/decide.js";
import { MemoryThings } from "../../../pkg/storage/regions/memory-things.js";
import { RegionState } from "../../../pkg/storage/regions/region-state.js";
import { type Choice, resolveConflict } from "../../../pkg/storage/regions/resolve-conflict.js";
import { REGION_RULES, type RegionRules } from "../../../pkg/storage/regions/rules.js";
import { type ThingWrite, writeBetween } from "../../../pkg/storage/regions/write-change.js";
import { type SeededRandom, seededRandom } from "../../support/index.js";

export interface WorldOptions {
  readonly seed: string;
  readonly regions: number;
  readonly strategy: Strategy;
  readonly steps: number;
  /** Conflicts that are over and still listed. */
  readonly closedMax?: number | undefined;
  readonly rules?: Partial<RegionRules> | undefined;
  /** Plants a fault of a link: the receiver is told to be further than it is. */
  readonly dropsBatches?: boolean | undefined;
}

/** One acknowledged command: what was meant, and what was sent. */
export interface Event {
  readonly change: Change;
  readonly text: string;
  readonly writes: readonly ThingWrite[];
}

interface Region {
  readonly id: RegionId;
  readonly state: RegionState;
  readonly things: MemoryThings;
  /** Off the true time; the leader may change to one with another clock. */
  skewMs: number;
}

const NODES = ["a", "b"];
const EDGES = ["e", "f"];
const LABELS = ["A", "B"];
const PROPERTIES = ["x", "y"];
const NAMES = ["eu", "us", "ap", "sa"];
export const DRIFT_MS_MAX = 10_000;

/** Keeps what somebody may see, and nothing of where it is kept or what is waited for. */
export function outcomeOf(state: RegionState): string {
  const images = KEYS.map((key) => [key, state.image(key) ?? null] as const);
  const conflicts = [...state.conflicts()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const closed = state.meta.closed.map((entry) => [closedName(entry), entry.conflict]);
  return canonicalText({ images, conflicts, closed } as unknown as JsonValue);
}

export const KEYS: readonly string[] = [
  ...NODES.map((id) => `n:${id}`),
  ...EDGES.map((id) => `e:${id}`),
];

/** Regions that write, send, forget and have wrong clocks, all by one seed. */
export class RegionsWorld {
  readonly random: SeededRandom;
  readonly regions: readonly Region[];
  readonly events: Event[] = [];
  /** Things that became smaller because everybody knew what had been taken away. */
  forgotten = 0;
  /** Changes that were refused at first, by why. */
  readonly refused = new Map<string, number>();
  /** Stamps that were further ahead than is allowed for. */
  alarms = 0;
  readonly rules: RegionRules;
  readonly options: WorldOptions;
  #nowMs = 1_700_000_000_000;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
    this.rules = { ...REGION_RULES, ...options.rules };
    const names = NAMES.slice(0, options.regions).map((name) => parseRegionId(name) as RegionId);
    this.regions = names.map((id) => this.#region(id, names, this.rules));
  }

  run(): void {
    for (let step = 0; step < this.options.steps; step += 1) this.#step();
    this.settle();
  }

  /** Everything that was written reaches everybody. */
  settle(): void {
    for (let round = 0; round < 2 * this.events.length + 2; round += 1) {
      let moved = false;
      for (const to of this.regions) {
        for (const from of this.regions) if (to !== from && this.#deliver(from, to)) moved = true;
      }
      if (!moved) return;
    }
  }

  /** A region that wrote nothing and is given all changes in an order of its own. */
  observer(random: SeededRandom): RegionState {
    const self = parseRegionId("zz") as RegionId;
    const names = [...this.regions.map(({ id }) => id), self];
    const { state } = this.#region(self, names, this.rules);
    const waiting = this.regions.map(({ id }) => this.#eventsOf(id));
    const sent = waiting.map(() => 0);
    for (let left = 20 * this.events.length; left > 0; left -= 1) {
      const at = random.below(waiting.length);
      const next = waiting[at]?.[Math.max(0, (sent[at] as number) - random.below(2))];
      if (next === undefined) continue;
      const { outcome } = state.receive(parseChange(JSON.parse(next.text)), this.#nowMs);
      if (outcome === "applied") sent[at] = next.change.seq;
      else if (outcome === "known") sent[at] = Math.max(sent[at] as number, next.change.seq);
    }
    for (const [at, events] of waiting.entries()) {
      for (const { text } of events.slice(sent[at])) {
        state.receive(parseChange(JSON.parse(text)), this.#nowMs);
      }
    }
    for (let round = 0; round < waiting.length; round += 1) {
      for (const { text } of this.events) {
        state.receive(parseChange(JSON.parse(text)), this.#nowMs);
      }
    }
    return state;
  }

  #region(id: RegionId, all: readonly RegionId[], rules: RegionRules): Region {
    const things = new MemoryThings();
    const options = {
      self: id,
      others: all.filter((other) => other !== id),
      strategy: this.options.strategy,
      driftMsMax: DRIFT_MS_MAX,
      closedConflictsMax: this.options.closedMax ?? 4,
    };
    return { id, things, state: new RegionState(options, things, rules), skewMs: 0 };
  }

  #step(): void {
    const { random } = this;
    this.#nowMs += random.pick([0, 0, 1, 500]);
    const region = random.pick(this.regions);
    const kind = random.below(30);
    if (kind < 8) this.#write(region);
    else if (kind < 21) this.#deliver(random.pick(this.regions), region);
    else if (kind < 24) this.#hear(random.pick(this.regions), region);
    else if (kind < 27) this.forgotten += region.state.forget(this.#nowMs + 3_600_000);
    else if (kind < 28) this.#resolve(region);
    else if (kind < 29 && random.chance(1, 2)) this.#calm();
    else region.skewMs = random.pick([0, 0, -700, 900, -3_600_000, 3_600_000]);
  }

  /** Everybody hears everything, and some forget. */
  #calm(): void {
    this.settle();
    for (const to of this.regions) for (const from of this.regions) this.#hear(from, to);
    for (const { state } of this.regions) {
      if (this.random.chance(2, 3)) this.forgotten += state.forget(this.#nowMs + 3_600_000);
    }
  }

  #wallMs(region: Region): number {
    return this.#nowMs + region.skewMs;
  }

  #write(region: Region): void {
    const writes = new Map<string, ThingWrite>();
    for (let n = this.random.chance(1, 4) ? 2 : 1; n > 0; n -= 1) {
      for (const write of this.#wish(region.state)) writes.set(write.key, write);
    }
    this.#commit(region, [...writes.values()], "overwritten");
  }

  #commit(region: Region, writes: readonly ThingWrite[], how: "overwritten" | "resolved"): void {
    if (writes.length === 0) return;
    const change = region.state.write(writes, this.#wallMs(region), how);
    this.events.push({ change, text: changeText(change), writes });
  }

  #wish(state: RegionState): readonly ThingWrite[] {
    const { random } = this;
    if (random.chance(1, 4)) return this.#wishOfEdge(state);
    const id = random.pick(NODES);
    const key = `n:${id}`;
    const before = state.image(key);
    const kind = random.below(10);
    if (before === undefined || kind < 2) {
      const labels = LABELS.filter(() => random.chance(1, 2));
      return [writeBetween(key, before, { labels, properties: this.#properties() })];
    }
    if (kind < 4) return this.#detach(state, id);
    if (kind < 6) {
      const [name, was] = this.#property(before);
      if (was !== undefined && typeof was !== "number") return [];
      return [{ key, life: true, increments: new Map([[name, random.between(-2, 5)]]) }];
    }
    const labels = random.chance(1, 3) ? LABELS.filter(() => random.chance(1, 2)) : before.labels;
    const properties: Record<string, JsonValue> = { ...before.properties };
    const [name] = this.#property(before);
    if (random.chance(1, 4)) delete properties[name];
    else properties[name] = random.pick([1, 2, 3, "text", null, false]);
    return [writeBetween(key, before, { labels, properties })];
  }

  #wishOfEdge(state: RegionState): readonly ThingWrite[] {
    const { random } = this;
    const key = `e:${random.pick(EDGES)}`;
    const before = state.image(key);
    if (before !== undefined && random.chance(1, 3)) return [{ key, life: false }];
    const [from, to] = [random.pick(NODES), random.pick(NODES)];
    if (state.image(`n:${from}`) === undefined || state.image(`n:${to}`) === undefined) return [];
    const shape = { from, to, type: random.pick(["KNOWS", "OWNS"]) };
    return [writeBetween(key, before, { labels: [], properties: this.#properties(), shape })];
  }

  /** A node goes with the edges that can be seen. */
  #detach(state: RegionState, id: string): readonly ThingWrite[] {
    const edges = EDGES.map((edge) => `e:${edge}`).filter((key) => {
      const shape = state.image(key)?.shape as { from: string; to: string } | undefined;
      return shape !== undefined && (shape.from === id || shape.to === id);
    });
    return [...edges, `n:${id}`].map((key) => ({ key, life: false }));
  }

  #property(before: Image): readonly [string, JsonValue | undefined] {
    const name = this.random.pick(PROPERTIES);
    return [name, before.properties[name]];
  }

  #properties(): Record<string, JsonValue> {
    const names = PROPERTIES.filter(() => this.random.chance(1, 2));
    return Object.fromEntries(names.map((name) => [name, this.random.pick([1, 2, "text"])]));
  }

  #resolve(region: Region): void {
    const open = region.state.conflicts();
    if (open.length === 0) return;
    const conflict = this.random.pick(open);
    const loser = this.random.pick(conflict.losers);
    const choice = this.random.pick<Choice>([
      { keep: "winner" },
      { keep: "loser", origin: loser.origin, seq: loser.seq },
      { value: 7 },
    ]);
    const write = resolveConflict(conflict, choice);
    const isHidden = conflict.kind !== "update_delete" && conflict.kind !== "edge_end";
    if (write === undefined || (isHidden && region.state.image(write.key) === undefined)) return;
    this.#commit(region, [write], "resolved");
  }

  #eventsOf(id: RegionId): readonly Event[] {
    return this.events.filter(({ change }) => change.origin === id);
  }

  /** The sender goes on from where the receiver says it is, or sends something once more. */
  #deliver(from: Region, to: Region): boolean {
    const events = this.#eventsOf(from.id);
    const have = to.state.meta.have.get(from.id) ?? 0;
    const drops = this.options.dropsBatches === true && this.random.chance(1, 8) ? 1 : 0;
    const again = this.random.chance(1, 5) ? 1 : 0;
    const next = events[Math.max(0, have - again + drops)] ?? events[have];
    if (next === undefined) return false;
    const received = to.state.receive(parseChange(JSON.parse(next.text)), this.#wallMs(to));
    if (received.outcome !== "applied") {
      this.refused.set(received.outcome, (this.refused.get(received.outcome) ?? 0) + 1);
    } else if (received.clockAheadMs > 0) this.alarms += 1;
    return received.outcome === "applied" || again > 0;
  }

  #hear(from: Region, to: Region): void {
    const { have } = from.state.meta;
    to.state.learn(from.id, have.get(from.id) ?? 0, have);
  }
}

import { invariant, type RegionId } from "../../base/index.js";
import type { Change } from "./change.js";
import { ClosedConflicts, type ClosedEntry } from "./closed-conflicts.js";
import { type ClosedConflict, type Conflict, conflictsOf, endConflict } from "./conflict.js";
import { Decider, type Image, type Strategy } from "./decide.js";
import { mergeThing } from "./merge-change.js";
import { stableVector, withoutForgotten } from "./retention.js";
import type { RegionRules } from "./rules.js";
import { CLOCK_START, type ClockReading, observe } from "./stamp.js";
import { emptyThing, isEdgeKey, type Thing } from "./thing.js";
import { join, type VersionVector, withDot } from "./version-vector.js";
import { makeChange, type ThingWrite } from "./write-change.js";

/** Where things are kept. Answers and changes are at once: they belong to one transaction. */
export interface ThingStore {
  get(key: string): Thing | undefined;
  set(key: string, thing: Thing | undefined): void;
  /** Edges of which any version hangs on the node, deleted ones too, each once. */
  edgesAt(nodeId: string): Iterable<Thing>;
  /** Things in which anything was taken away, each once; may hold others. */
  fading(): Iterable<Thing>;
  /** Things in conflict, and edges without an end of theirs, each once; may hold others. */
  disputed(): Iterable<Thing>;
}

export interface RegionOptions {
  readonly self: RegionId;
  /** All regions but this one. */
  readonly others: readonly RegionId[];
  readonly strategy: Strategy;
  /** How far another region's clock may be ahead. */
  readonly driftMsMax: number;
  readonly closedConflictsMax: number;
}

/** Why a change of another region did or did not take effect. */
export type Received =
  | { readonly outcome: "applied"; readonly clockAheadMs: number }
  /** It has been here before. */
  | { readonly outcome: "known" }
  /** `missing` must come first. */
  | { readonly outcome: "gap" | "early"; readonly missing: VersionVector }
  /** It was made here, or by a region that is none of ours. */
  | { readonly outcome: "echo" | "stranger" };

const NOBODY: ReadonlySet<RegionId> = new Set();

/** What stands beside the things and changes together with them. */
export interface RegionMeta {
  readonly clock: ClockReading;
  /** Changes of each region that are contained, its own too. */
  readonly have: VersionVector;
  /** What each other region is known to contain. */
  readonly known: ReadonlyMap<RegionId, VersionVector>;
  readonly lost: ReadonlySet<RegionId>;
  readonly closed: readonly ClosedEntry[];
}

/**
 * One region's part of a store that several regions write. Everything it does depends on what was
 * applied before and on its arguments alone, so that all nodes of the region do the same.
 */
export class RegionState {
  readonly #options: RegionOptions;
  readonly #rules: RegionRules;
  readonly #store: ThingStore;
  readonly #closed: ClosedConflicts;
  readonly decider: Decider;
  #clock: ClockReading = CLOCK_START;
  #have: VersionVector = new Map();
  #known = new Map<RegionId, VersionVector>();
  #lost: ReadonlySet<RegionId> = new Set();

  constructor(options: RegionOptions, store: ThingStore, rules: RegionRules) {
    invariant(!options.others.includes(options.self), "a region is not among the others");
    this.#options = options;
    this.#rules = rules;
    this.#store = store;
    this.#closed = new ClosedConflicts(options.closedConflictsMax, rules);
    this.decider = new Decider(options.strategy, rules);
    for (const region of options.others) this.#known.set(region, new Map());
  }

  get meta(): RegionMeta {
    return {
      clock: this.#clock,
      have: this.#have,
      known: this.#known,
      lost: this.#lost,
      closed: this.#closed.entries,
    };
  }

  load(meta: RegionMeta): void {
    this.#clock = meta.clock;
    this.#have = meta.have;
    this.#known = new Map(meta.known);
    this.#lost = meta.lost;
    this.#closed.load(meta.closed);
  }

  /**
   * Takes a write of this region.
   * @param wallMs - the leader's wall clock, out of the log entry
   * @returns what the other regions must be told
   */
  write(
    writes: readonly ThingWrite[],
    wallMs: number,
    how: ClosedConflict["how"] = "overwritten",
  ): Change {
    const { self } = this.#options;
    this.#clock = this.#rules.nextReading(this.#clock, wallMs);
    const change = makeChange(writes, {
      dot: { origin: self, seq: (this.#have.get(self) ?? 0) + 1 },
      reading: this.#clock,
      seen: this.#have,
      decider: this.decider,
      how,
      lookUp: (key) => this.#store.get(key),
    });
    this.#apply(change);
    return change;
  }

  /**
   * Takes a change of another region, or says why not; then nothing has happened.
   * @param wallMs - this region's leader's wall clock, out of the log entry
   */
  receive(change: Change, wallMs: number): Received {
    const { origin, seq } = change;
    if (this.#rules.isEcho(origin, this.#options.self)) return { outcome: "echo" };
    const known = this.#known.get(origin);
    if (known === undefined) return { outcome: "stranger" };
    const order = this.#rules.order(this.#have.get(origin) ?? 0, seq);
    if (order === "known") return { outcome: "known" };
    if (order === "gap") return { outcome: "gap", missing: new Map([[origin, seq - 1]]) };
    if (!this.#rules.isReady(this.#have, change.seen)) {
      return { outcome: "early", missing: change.seen };
    }
    const { driftMsMax } = this.#options;
    const { clock, aheadMs } = observe(this.#clock, change, { wallMs, driftMsMax });
    this.#clock = clock;
    this.#apply(change);
    this.#known.set(origin, join(withDot(known, change), change.seen));
    return { outcome: "applied", clockAheadMs: aheadMs };
  }

  /**
   * Another region says what it contains. Only what it says behind its own changes counts: what it
   * may still send was made later, and knows all of this.
   * @param upTo - its changes that went before
   * @returns false when some of those are not here yet
   */
  learn(origin: RegionId, upTo: number, contains: VersionVector): boolean {
    const known = this.#known.get(origin);
    if (known === undefined || (this.#have.get(origin) ?? 0) < upTo) return false;
    this.#known.set(origin, join(known, contains));
    return true;
  }

  /**
   * Nothing is kept for the region any more, and it may not send until `readmit`. What others have
   * of it is still taken from them, and tombstones wait until it is none of the others.
   */
  giveUp(region: RegionId): void {
    if (this.#known.has(region)) this.#lost = new Set([...this.#lost, region]);
  }

  /** Whether the region lacks nothing that is not kept is for the caller to see. */
  readmit(region: RegionId): void {
    this.#lost = new Set([...this.#lost].filter((other) => other !== region));
  }

  isLost(region: RegionId): boolean {
    return this.#lost.has(region);
  }

  /** What everybody has for whom changes are kept. */
  stable(): VersionVector {
    return stableVector(this.#have, this.#known, this.#lost);
  }

  /** Drops tombstones from before `beforeMs` that every region knows. @returns how many things changed */
  forget(beforeMs: number): number {
    const stable = stableVector(this.#have, this.#known, NOBODY);
    const retention = { stable, beforeMs, rules: this.#rules };
    let changed = 0;
    const edgesFirst = [...this.#store.fading()].sort(
      (a, b) => Number(isEdgeKey(b.key)) - Number(isEdgeKey(a.key)),
    );
    for (const thing of edgesFirst) {
      const left = withoutForgotten(thing, retention, () => this.#isHeld(thing));
      if (left === thing) continue;
      this.#store.set(thing.key, left);
      changed += 1;
    }
    return changed;
  }

  /** What readers see of it; an edge can be seen while both its ends can. */
  image(key: string): Image | undefined {
    const thing = this.#store.get(key);
    if (thing === undefined || !this.decider.isAlive(thing)) return undefined;
    const image = this.decider.image(thing);
    if (!isEdgeKey(key)) return image;
    const { from, to } = image.shape as unknown as { from: string; to: string };
    return this.#isNode(from) && this.#isNode(to) ? image : undefined;
  }

  /** What is in conflict now. */
  conflicts(): readonly Conflict[] {
    return [...this.#store.disputed()].flatMap((thing) => this.conflictsOf(thing));
  }

  conflictsOf(thing: Thing): readonly Conflict[] {
    const own = conflictsOf(thing, this.decider);
    if (!isEdgeKey(thing.key) || !this.decider.isAlive(thing)) return own;
    const { from, to } = this.decider.image(thing).shape as unknown as { from: string; to: string };
    const ends = [...new Set([from, to])].map((id) => {
      const end = this.#store.get(`n:${id}`);
      return end === undefined ? undefined : endConflict(thing, end, this.decider);
    });
    return [...own, ...ends.filter((conflict) => conflict !== undefined)];
  }

  #apply(change: Change): void {
    for (const written of change.things) {
      const thing = this.#store.get(written.key) ?? emptyThing(written.key);
      this.#store.set(written.key, mergeThing(thing, change, written, this.#rules));
    }
    this.#closed.add(change);
    this.#have = withDot(this.#have, change);
  }

  #isNode(id: string): boolean {
    const node = this.#store.get(`n:${id}`);
    return node !== undefined && this.decider.isAlive(node);
  }

  /** A deleted node stays as long as any edge, deleted or not, hangs on it. */
  #isHeld(thing: Thing): boolean {
    if (isEdgeKey(thing.key)) return false;
    for (const _edge of this.#store.edgesAt(thing.key.slice(2))) return true;
    return false;
  }
}

import type { RegionId } from "../../../pkg/base/index.js";
import { ReplicationError } from "../../../pkg/replication/errors.js";
import type { ApplyResult, Digest, Entry } from "../../../pkg/replication/ports/index.js";
import { compareUtf8 } from "../../../pkg/storage/canonical.js";
import { MemoryStore } from "../../../pkg/storage/memory/memory-store.js";
import type { Conflict } from "../../../pkg/storage/regions/conflict.js";
import type { Image, Resolver } from "../../../pkg/storage/regions/decide.js";
import { openSession, type RegionalOptions } from "../../../pkg/storage/regions/open-session.js";
import type { Region } from "../../../pkg/storage/regions/region-record.js";
import {
  type ChangeRun,
  Mark,
  type RegionStore,
  type TextRecord,
  type ThingPlace,
} from "../../../pkg/storage/regions/region-store.js";
import { RegionalRules } from "../../../pkg/storage/regions/regional-rules.js";
import type { RegionRules } from "../../../pkg/storage/regions/rules.js";
import { StateEngine } from "../../../pkg/storage/state-engine.js";

/** Everything that a region keeps, in maps. */
class MemoryRegionStore extends MemoryStore implements RegionStore {
  readonly things = new Map<string, { readonly record: TextRecord; marks: number }>();
  readonly #edgeKeys = new Map<string, Set<string>>();
  readonly #notes = new Map<string, TextRecord>();
  readonly changes = new Map<string, { seq: number; text: string }[]>();

  copyFrom(other: MemoryRegionStore): void {
    for (const [id, node] of other.nodes) this.nodes.set(id, node);
    for (const [id, edge] of other.edges) this.changeEdge(id, undefined, edge);
    for (const [id, index] of other.indexes) this.indexes.set(id, index);
    this.rows = [...other.rows];
    for (const [key, { record, marks }] of other.things) this.things.set(key, { record, marks });
    for (const [node, keys] of other.#edgeKeys) this.#edgeKeys.set(node, new Set(keys));
    for (const [id, note] of other.#notes) this.#notes.set(id, note);
    for (const [origin, kept] of other.changes) this.changes.set(origin, [...kept]);
  }

  thing(key: string): TextRecord | undefined {
    return this.things.get(key)?.record;
  }

  changeThing(
    before: TextRecord | undefined,
    after: TextRecord | undefined,
    { marks, newEnds, oldEnds }: ThingPlace,
  ): void {
    const { id } = (after ?? before) as TextRecord;
    for (const end of oldEnds) this.#edgeKeys.get(end)?.delete(id);
    if (after === undefined) this.things.delete(id);
    else this.things.set(id, { record: after, marks });
    for (const end of newEnds) {
      const keys = this.#edgeKeys.get(end) ?? new Set();
      this.#edgeKeys.set(end, keys.add(id));
    }
  }

  markThing(key: string, marks: number): void {
    const found = this.things.get(key);
    if (found !== undefined) found.marks = marks;
  }

  edgeKeysAt(nodeId: string): readonly string[] {
    return [...(this.#edgeKeys.get(nodeId) ?? [])].sort(compareUtf8);
  }

  markedKeys(marks: number, after: string, limit: number): readonly string[] {
    return [...this.things]
      .filter(([key, thing]) => (thing.marks & marks) > 0 && compareUtf8(key, after) > 0)
      .map(([key]) => key)
      .sort(compareUtf8)
      .slice(0, limit);
  }

  notes(): Iterable<TextRecord> {
    return this.#notes.values();
  }

  changeNote(before: TextRecord | undefined, after: TextRecord | undefined): void {
    if (after !== undefined) this.#notes.set(after.id, after);
    else if (before !== undefined) this.#notes.delete(before.id);
  }

  /** Changes since they were taken last, also of those that are not kept any more. */
  appended: ChangeRun[] = [];

  appendChanges(run: ChangeRun): void {
    const { origin, firstSeq, texts } = run;
    this.appended.push(run);
    const kept = this.changes.get(origin) ?? [];
    for (const [at, text] of texts.entries()) kept.push({ seq: firstSeq + at, text });
    this.changes.set(origin, kept);
  }

  dropChanges(origin: string, upTo: number): void {
    const kept = this.changes.get(origin) ?? [];
    this.changes.set(
      origin,
      kept.filter(({ seq }) => seq > upTo),
    );
  }
}

/** One node's state machine, without a disk, for simulations of many runs. */
export class MemoryRegion {
  readonly #store = new MemoryRegionStore();
  readonly #options: RegionalOptions;
  readonly #rules: RegionalRules;
  readonly #engine: StateEngine<RegionalRules>;

  constructor(rules: RegionRules, resolver?: Resolver) {
    this.#options = { rules, resolver };
    this.#rules = new RegionalRules(this.#store, this.#options);
    this.#engine = new StateEngine(this.#rules, this.#store, 5_000);
  }

  /** Another one that is as this one is now, and goes on by itself. */
  copy(): MemoryRegion {
    const { rules, resolver } = this.#options;
    const twin = new MemoryRegion(rules, resolver);
    twin.#store.copyFrom(this.#store);
    twin.#rules.reload();
    twin.#engine.load(this.#engine.state(), twin.#store.rows);
    return twin;
  }

  get applied(): number {
    return this.#engine.position.index;
  }

  get region(): Region | undefined {
    return this.#rules.region;
  }

  apply(entries: readonly Entry[]): readonly ApplyResult[] {
    const results = this.#engine.apply(entries);
    this.#engine.state();
    this.#rules.flush();
    return results;
  }

  digest(): Digest {
    return { position: this.#engine.position, shards: this.#engine.shards() };
  }

  /** @throws ReplicationError `COMPACTED` */
  changesOf(origin: RegionId, after: number, countMax: number): readonly string[] {
    if (after < (this.region?.floor.get(origin) ?? 0)) {
      throw new ReplicationError("COMPACTED", `change ${after + 1} is not kept`);
    }
    const kept = this.#store.changes.get(origin) ?? [];
    return kept
      .filter(({ seq }) => seq > after)
      .slice(0, countMax)
      .map(({ text }) => text);
  }

  /** What was written down of the region's changes since it was asked last. */
  takeAppended(origin: RegionId): readonly string[] {
    const runs = this.#store.appended.filter((run) => run.origin === origin);
    this.#store.appended = [];
    return runs.flatMap(({ texts }) => texts);
  }

  conflicts(): readonly Conflict[] {
    const session = openSession(this.#store, this.region as Region, this.#options);
    return this.#store.markedKeys(Mark.disputed | Mark.hidden, "", 1_000).flatMap((key) => {
      const thing = session.things.get(key);
      return thing === undefined ? [] : session.state.conflictsOf(thing);
    });
  }

  /** What readers see of one thing. */
  image(key: string): Image | undefined {
    return openSession(this.#store, this.region as Region, this.#options).state.image(key);
  }

  /** Key, labels, properties and shape of everything that readers see. */
  graph(): readonly string[] {
    const nodes = [...this.#store.nodes.values()].map(({ id, labels, properties }) =>
      JSON.stringify([`n:${id}`, JSON.parse(labels), JSON.parse(properties), null]),
    );
    const edges = [...this.#store.edges.values()].map(({ id, from, to, type, properties }) =>
      JSON.stringify([`e:${id}`, [], JSON.parse(properties), { from, to, type }]),
    );
    return [...nodes, ...edges].sort();
  }
}

import type { DigestSums } from "../digest-sums.js";
import { type Base, baseThing } from "./base.js";
import type { ThingStore } from "./region-state.js";
import {
  Mark,
  type RegionStore,
  type TextRecord,
  type ThingPlace,
  thingDigestKey,
  thingRecord,
} from "./region-store.js";
import { endsOf, isEdgeKey, type Thing } from "./thing.js";
import { readThing, thingText } from "./thing-text.js";

interface Drafted {
  readonly before: TextRecord | undefined;
  /** Before the command. */
  readonly was: Thing | undefined;
  thing: Thing | undefined;
  changed: boolean;
  marks: number;
}

/** Which of the fading things one command looks at, so that it stays short. */
export interface FadingSlice {
  readonly after: string;
  readonly limit: number;
}

/**
 * Things as one command sees and changes them, in front of what is stored. Dropping it leaves
 * nothing behind.
 */
export class ThingDraft implements ThingStore {
  readonly #store: RegionStore;
  readonly #base: Base | undefined;
  readonly #slice: FadingSlice | undefined;
  readonly #drafted = new Map<string, Drafted>();
  readonly #edgesByNode = new Map<string, Set<string>>();

  constructor(store: RegionStore, base: Base | undefined, slice?: FadingSlice) {
    this.#store = store;
    this.#base = base;
    this.#slice = slice;
  }

  get(key: string): Thing | undefined {
    return this.#look(key).thing;
  }

  /** As it was before the command. */
  was(key: string): Thing | undefined {
    return this.#look(key).was;
  }

  set(key: string, thing: Thing | undefined): void {
    const drafted = this.#look(key);
    drafted.thing = thing;
    drafted.changed = true;
    if (thing === undefined || !isEdgeKey(key)) return;
    for (const end of endsOf(thing)) {
      const keys = this.#edgesByNode.get(end);
      if (keys === undefined) this.#edgesByNode.set(end, new Set([key]));
      else keys.add(key);
    }
  }

  *edgesAt(nodeId: string): Iterable<Thing> {
    const keys = new Set(this.#store.edgeKeysAt(nodeId));
    for (const key of this.#edgesByNode.get(nodeId) ?? []) keys.add(key);
    for (const key of keys) {
      const thing = this.get(key);
      if (thing !== undefined && endsOf(thing).includes(nodeId)) yield thing;
    }
  }

  *fading(): Iterable<Thing> {
    const { after, limit } = this.#slice ?? { after: "", limit: 0 };
    yield* this.#marked(Mark.fading, after, limit);
  }

  *disputed(): Iterable<Thing> {
    yield* this.#marked(Mark.disputed | Mark.hidden, "", Number.MAX_SAFE_INTEGER);
  }

  /** Keys of what the command has changed. */
  changedKeys(): readonly string[] {
    return [...this.#drafted].filter(([, { changed }]) => changed).map(([key]) => key);
  }

  /** Notes what it is to be found by; one that can no longer be made from the graph is stored. */
  mark(key: string, marks: number): void {
    const drafted = this.#look(key);
    drafted.marks = marks;
    if (drafted.before === undefined && (marks & Mark.hidden) !== 0) drafted.changed = true;
  }

  /** Of what the command has looked at: what is in conflict, or hidden by one, after it. */
  disputedKeys(): readonly string[] {
    const isDisputed = (marks: number) =>
      marks !== UNKNOWN && (marks & (Mark.disputed | Mark.hidden)) !== 0;
    return [...this.#drafted].filter(([, { marks }]) => isDisputed(marks)).map(([key]) => key);
  }

  commit(digest: DigestSums, version: number): void {
    for (const [key, drafted] of this.#drafted) {
      const { before, thing, changed, marks } = drafted;
      if (!changed) {
        if (marks !== UNKNOWN && before !== undefined) this.#store.markThing(key, marks);
        continue;
      }
      const after = thing === undefined ? undefined : thingRecord(key, thingText(thing), version);
      if (before === undefined && after === undefined) continue;
      digest.change(thingDigestKey(key), before?.hash ?? 0, after?.hash ?? 0);
      this.#store.changeThing(before, after, placeOf(key, drafted));
    }
  }

  *#marked(marks: number, after: string, limit: number): Iterable<Thing> {
    for (const key of this.#store.markedKeys(marks, after, limit)) {
      const thing = this.get(key);
      if (thing !== undefined) yield thing;
    }
  }

  #look(key: string): Drafted {
    const known = this.#drafted.get(key);
    if (known !== undefined) return known;
    const before = this.#store.thing(key);
    const was =
      before === undefined ? baseThing(this.#store, this.#base, key) : readThing(key, before.text);
    const drafted = { before, was, thing: was, changed: false, marks: UNKNOWN };
    this.#drafted.set(key, drafted);
    return drafted;
  }
}

const UNKNOWN = -1;
const NO_ENDS: readonly string[] = [];

function placeOf(key: string, { before, was, thing, marks }: Drafted): ThingPlace {
  if (!isEdgeKey(key)) return { marks: marks === UNKNOWN ? 0 : marks, newEnds: [], oldEnds: [] };
  const old = before === undefined || was === undefined ? NO_ENDS : endsOf(was);
  const now = thing === undefined ? NO_ENDS : endsOf(thing);
  return {
    marks: marks === UNKNOWN ? 0 : marks,
    newEnds: now.filter((end) => !old.includes(end)),
    oldEnds: old.filter((end) => !now.includes(end)),
  };
}

import type { ThingStore } from "./region-state.js";
import { endsOf, isEdgeKey, type Thing } from "./thing.js";

/** Things in a map. */
export class MemoryThings implements ThingStore {
  readonly #things = new Map<string, Thing>();

  get(key: string): Thing | undefined {
    return this.#things.get(key);
  }

  set(key: string, thing: Thing | undefined): void {
    if (thing === undefined) this.#things.delete(key);
    else this.#things.set(key, thing);
  }

  *edgesAt(nodeId: string): Iterable<Thing> {
    for (const thing of this.#things.values()) {
      if (isEdgeKey(thing.key) && endsOf(thing).includes(nodeId)) yield thing;
    }
  }

  fading(): Iterable<Thing> {
    return [...this.#things.values()];
  }

  disputed(): Iterable<Thing> {
    return this.#things.values();
  }
}

import type { ContentRecord, ContentSums } from "../../replication/ports/index.js";
import { type ContentSource, ContentTotals } from "../content/inspect-content.js";
import { fromValue, graphShape, hashOf, keyOf, parseKey, type Thing } from "../content/thing.js";
import type { GraphCounts } from "../graph.js";
import type { AppliedRow } from "../state-engine.js";
import type { MemoryStore } from "./memory-store.js";

/** What a store held when this was made. */
export class MemoryContent implements ContentSource<Thing> {
  readonly shape = graphShape;
  readonly #things: ReadonlyMap<string, Thing>;
  readonly #rows: readonly AppliedRow[];

  constructor(store: MemoryStore) {
    this.#things = new Map(thingsOf(store).map((thing) => [keyOf(thing), thing]));
    this.#rows = [...store.rows];
  }

  *things(): Iterable<readonly Thing[]> {
    yield [...this.#things.values()];
  }

  *keys(): Iterable<readonly string[]> {
    yield [...this.#things.keys()];
  }

  thing(key: string): Thing | undefined {
    return this.#things.get(key);
  }

  appliedRow(index: number): AppliedRow | undefined {
    return this.#rows.find((row) => row.firstIndex <= index && index <= row.lastIndex);
  }
}

/** See `ComparableContent.repair`. */
export function repairMemory(
  store: MemoryStore,
  records: readonly ContentRecord[],
): { readonly content: ContentSums; readonly counts: GraphCounts } {
  for (const { key, value } of records) replace(store, key, fromValue(key, value));
  const totals = new ContentTotals();
  for (const thing of thingsOf(store)) {
    const hash = hashOf(thing);
    totals.add(keyOf(thing), hash);
    if (thing.row.hash !== hash) {
      replace(store, keyOf(thing), { ...thing, row: { ...thing.row, hash } } as Thing);
    }
  }
  const counts = { nodes: store.nodes.size, edges: store.edges.size };
  return { content: totals.result(), counts };
}

function thingsOf(store: MemoryStore): readonly Thing[] {
  return [
    ...[...store.nodes.values()].map((row) => ({ kind: "n" as const, row })),
    ...[...store.edges.values()].map((row) => ({ kind: "e" as const, row })),
    ...[...store.indexes.values()].map((row) => ({ kind: "i" as const, row })),
  ];
}

function replace(store: MemoryStore, key: string, thing: Thing | undefined): void {
  const { kind, id } = parseKey(key);
  if (kind === "n") {
    store.changeNode(id, store.nodes.get(id), thing?.kind === "n" ? thing.row : undefined);
  } else if (kind === "e") {
    store.changeEdge(id, store.edges.get(id), undefined);
    if (thing?.kind === "e") store.changeEdge(id, undefined, thing.row);
  } else {
    store.changeIndex(store.indexes.get(id), thing?.kind === "i" ? thing.row : undefined);
  }
}

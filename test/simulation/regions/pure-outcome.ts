import { parseRegionId, type RegionId } from "../../../pkg/base/index.js";
import { parseChange } from "../../../pkg/storage/regions/change-text.js";
import { closedName } from "../../../pkg/storage/regions/closed-conflicts.js";
import type { Strategy } from "../../../pkg/storage/regions/decide.js";
import { MemoryThings } from "../../../pkg/storage/regions/memory-things.js";
import { RegionState } from "../../../pkg/storage/regions/region-state.js";
import { REGION_RULES } from "../../../pkg/storage/regions/rules.js";
import type { SeededRandom } from "../../support/index.js";
import { EDGE_IDS, NODE_IDS } from "./random-operations.js";

/** What readers see, what is in conflict, and which conflicts are over. */
export interface RegionOutcome {
  readonly graph: readonly string[];
  readonly conflicts: readonly string[];
  readonly closed: readonly string[];
}

/**
 * By the pure merge of the changes that were told, up to what `upTo` contains: without a store, a
 * log or a graph.
 * @param random - says in which order the regions' changes come; each region's come one by one
 */
export function pureOutcome(
  told: ReadonlyMap<RegionId, readonly string[]>,
  upTo: ReadonlyMap<RegionId, number>,
  strategy: Strategy,
  moreNodes: readonly string[] = [],
  random?: SeededRandom,
): RegionOutcome {
  const self = parseRegionId("zz") as RegionId;
  const others = [...told.keys()];
  const bounds = { driftMsMax: 10_000, closedConflictsMax: 1_000 };
  const state = new RegionState(
    { self, others, strategy, ...bounds },
    new MemoryThings(),
    REGION_RULES,
  );
  for (let moved = true; moved; ) {
    moved = false;
    for (const [region, texts] of random?.shuffle([...told]) ?? told) {
      const have = state.meta.have.get(region) ?? 0;
      const next = have < (upTo.get(region) ?? 0) ? texts[have] : undefined;
      if (next === undefined) continue;
      if (state.receive(parseChange(JSON.parse(next)), 1).outcome === "applied") moved = true;
    }
  }
  const keys = [
    ...[...NODE_IDS, ...moreNodes].map((id) => `n:${id}`),
    ...EDGE_IDS.map((id) => `e:${id}`),
  ];
  const graph = keys.flatMap((key) => {
    const image = state.image(key);
    if (image === undefined) return [];
    return [JSON.stringify([key, image.labels, image.properties, image.shape ?? null])];
  });
  return {
    graph: graph.sort(),
    conflicts: state
      .conflicts()
      .map((conflict) => JSON.stringify(conflict))
      .sort(),
    closed: state.meta.closed.map(closedName),
  };
}

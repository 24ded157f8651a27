import type { Position } from "../../base/index.js";
import type { Evictable, ObjectCatalogue, ObjectOperation } from "./catalogue.js";
import { OBJECT_LIMITS } from "./limits.js";
import type { ObjectLeases } from "./object-leases.js";

/** Objects that one plan looks at. */
const LOOKED_AT_MAX = 100_000;
const PAGE = 1_000;

export interface EvictionWish {
  /** Bytes to set free; 0: only what can no longer be read. */
  readonly bytes: number;
  /** From `Replicator.read`. */
  readonly atLeast: Position;
}

export interface EvictionPlan {
  readonly operation: Extract<ObjectOperation, { readonly op: "evict" }>;
  /** Bytes that it sets free if nothing is written meanwhile. */
  readonly bytes: number;
}

/**
 * Chooses what one pass of eviction takes: first what it comes upon that can no longer be read,
 * then the objects that were put first, then those with a soft pin; never one with a lease. The
 * choice is made once, here, with this node's leases and clock; the command lists it, so that every
 * replica and every replay takes the same.
 * @returns undefined: there is nothing to take
 */
export async function planEviction(
  catalogue: ObjectCatalogue,
  leases: ObjectLeases,
  wish: EvictionWish,
): Promise<EvictionPlan | undefined> {
  const { hidden, free, pinned } = await candidates(catalogue, leases, wish);
  const chosen = hidden.slice(0, OBJECT_LIMITS.evictedMax);
  let bytes = 0;
  for (const object of [...free, ...pinned]) {
    if (bytes >= wish.bytes || chosen.length === OBJECT_LIMITS.evictedMax) break;
    chosen.push(object);
    bytes += object.bytes;
  }
  if (chosen.length === 0) return undefined;
  const objects = chosen.map(({ key, version }) => ({ key, version }));
  return { operation: { op: "evict", objects }, bytes };
}

async function candidates(
  catalogue: ObjectCatalogue,
  leases: ObjectLeases,
  { bytes, atLeast }: EvictionWish,
) {
  const [hidden, free, pinned]: [Evictable[], Evictable[], Evictable[]] = [[], [], []];
  let freeBytes = 0;
  let cursor: string | undefined;
  for (let seen = 0; seen < LOOKED_AT_MAX; seen += PAGE) {
    const page = await catalogue.evictable({ limit: PAGE, cursor }, atLeast);
    for (const object of page.items) {
      if (object.bytes === 0) hidden.push(object);
      else if (leases.isLeased(object.key)) continue;
      else if (leases.isPinned(object.key)) pinned.push(object);
      else {
        free.push(object);
        freeBytes += object.bytes;
      }
    }
    cursor = page.cursor;
    if (cursor === undefined || (bytes > 0 && freeBytes >= bytes)) break;
  }
  return { hidden, free, pinned };
}

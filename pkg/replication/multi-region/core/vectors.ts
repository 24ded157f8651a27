import type { RegionId } from "../../../base/index.js";
import type { Vector } from "./messages.js";

export function seqOf(vector: Vector, region: RegionId): number {
  return vector.get(region) ?? 0;
}

/** True when everything that `smaller` contains is in `larger`. */
export function includes(larger: Vector, smaller: Vector): boolean {
  for (const [region, seq] of smaller) if (seqOf(larger, region) < seq) return false;
  return true;
}

/** What any of the two contains. */
export function join(a: Vector, b: Vector): Vector {
  const joined = new Map(a);
  for (const [region, seq] of b) joined.set(region, Math.max(seq, seqOf(joined, region)));
  return joined;
}

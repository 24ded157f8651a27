import type { RegionId } from "../../base/index.js";

/** For each region how many of its writes are known, from the first on; a missing region is 0. */
export type VersionVector = ReadonlyMap<RegionId, number>;

/** One write: the `seq`-th of its region. */
export interface Dot {
  readonly origin: RegionId;
  readonly seq: number;
}

export function covers(vector: VersionVector, dot: Dot): boolean {
  return (vector.get(dot.origin) ?? 0) >= dot.seq;
}

/** True when everything `smaller` knows is known to `larger`. */
export function includes(larger: VersionVector, smaller: VersionVector): boolean {
  for (const [origin, seq] of smaller) if (!covers(larger, { origin, seq })) return false;
  return true;
}

/** What all of them know; nothing when there is none. */
export function meet(vectors: readonly VersionVector[]): VersionVector {
  const [first, ...rest] = vectors;
  const met = new Map<RegionId, number>();
  for (const [origin, seq] of first ?? []) {
    const least = Math.min(seq, ...rest.map((vector) => vector.get(origin) ?? 0));
    if (least > 0) met.set(origin, least);
  }
  return met;
}

/** What any of them knows. */
export function join(a: VersionVector, b: VersionVector): VersionVector {
  let isMore = false;
  for (const [origin, seq] of b) isMore ||= (a.get(origin) ?? -1) < seq;
  if (!isMore) return a;
  const joined = new Map(a);
  for (const [origin, seq] of b) joined.set(origin, Math.max(seq, joined.get(origin) ?? 0));
  return joined;
}

/** What it knows, and that write with those before it. */
export function withDot(vector: VersionVector, dot: Dot): VersionVector {
  return covers(vector, dot) ? vector : new Map(vector).set(dot.origin, dot.seq);
}

/** As JSON, by region. */
export function vectorPairs(vector: VersionVector): (readonly [RegionId, number])[] {
  return [...vector].sort(([a], [b]) => (a < b ? -1 : 1));
}

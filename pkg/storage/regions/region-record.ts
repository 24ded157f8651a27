import type { RegionId } from "../../base/index.js";
import type { Promotion } from "../../replication/ports/index.js";
import type { Base } from "./base.js";
import type { ClosedEntry } from "./closed-conflicts.js";
import type { RegionSettings } from "./region-settings.js";
import type { RegionMeta } from "./region-state.js";
import { type VersionVector, vectorPairs } from "./version-vector.js";

/** All that a founded region keeps beside its things and changes. */
export interface Region {
  readonly settings: RegionSettings;
  readonly base: Base | undefined;
  readonly meta: RegionMeta;
  /** Changes up to there are not kept any more: every region has them. */
  readonly floor: VersionVector;
  readonly promotion?: Promotion | undefined;
}

/** Under which the region's own note stands; those of conflicts that are over have longer ids. */
export const REGION_NOTE = "region";
export const CLOSED_NOTE = "closed:";

type Pairs = readonly (readonly [RegionId, number])[];

interface RegionData {
  readonly settings: RegionSettings;
  readonly base?: Base | undefined;
  readonly clock: readonly [ms: number, counter: number];
  readonly have: Pairs;
  readonly known: readonly (readonly [RegionId, Pairs])[];
  readonly lost: readonly RegionId[];
  readonly floor: Pairs;
  readonly promotion?: Promotion | undefined;
}

/** Without the conflicts that are over: each of those is a note of its own. */
export function regionText({ settings, base, meta, floor, promotion }: Region): string {
  const known = [...meta.known].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    settings,
    base,
    clock: [meta.clock.ms, meta.clock.counter],
    have: vectorPairs(meta.have),
    known: known.map(([region, vector]) => [region, vectorPairs(vector)] as const),
    lost: [...meta.lost].sort(),
    floor: vectorPairs(floor),
    promotion,
  } satisfies RegionData);
}

/** @param text - what `regionText` made */
export function readRegion(text: string, closed: readonly ClosedEntry[]): Region {
  const data = JSON.parse(text) as RegionData;
  const [ms, counter] = data.clock;
  return {
    settings: data.settings,
    base: data.base,
    meta: {
      clock: { ms, counter },
      have: new Map(data.have),
      known: new Map(data.known.map(([region, pairs]) => [region, new Map(pairs)])),
      lost: new Set(data.lost),
      closed,
    },
    floor: new Map(data.floor),
    promotion: data.promotion,
  };
}

import type { Awaitable, RegionId } from "../../base/index.js";

/** For each region how many of its changes, from the first on; a missing region is 0. */
export type Vector = ReadonlyMap<RegionId, number>;

/** Which region was promoted last; of two with the same number the later name counts. */
export interface Promotion {
  readonly region: RegionId;
  /** From 1; each promotion is one more than those that its region knew of. */
  readonly epoch: number;
}

/** What a region's state says of itself, as of what is applied. */
export interface RegionFacts {
  readonly self: RegionId;
  /** All regions but this one, ascending. */
  readonly others: readonly RegionId[];
  readonly strategy: string;
  /** How far another region's clock may be ahead, in milliseconds. */
  readonly driftMsMax: number;
  /** Changes of each region that are contained, its own too. */
  readonly have: Vector;
  /** Changes up to there are not kept any more. */
  readonly floor: Vector;
  /** What each other region is known to contain. */
  readonly known: ReadonlyMap<RegionId, Vector>;
  /** Regions that were given up. */
  readonly lost: ReadonlySet<RegionId>;
  /** Missing: none ever was. */
  readonly promotion?: Promotion | undefined;
  /** Of the region's hybrid clock, milliseconds since 1970. */
  readonly clockMs: number;
}

/** Both from 1; at least one change comes if there is any. */
export interface ChangeLimits {
  readonly countMax: number;
  readonly charsMax: number;
}

/** Changes of one region, one after the other, each as its text. */
export interface KeptChanges {
  /** The seq of the first; each one behind it is one more. */
  readonly firstSeq: number;
  /** Not all that are kept; none when there is nothing behind what was asked for. */
  readonly texts: readonly string[];
}

/**
 * A region as its state machine has it. Optional: see `StateMachine.regions`. Calls may overlap
 * with everything, and see what is applied when they are taken up.
 */
export interface RegionLog {
  /** A function of the user's makes one value of several: the strategy is `resolver`. */
  readonly resolves?: boolean | undefined;
  /** undefined: not founded yet. */
  facts(): Awaitable<RegionFacts | undefined>;
  /**
   * Changes of a region behind `after`, its own or another's, as they are kept.
   * @throws ReplicationError `COMPACTED` when the next one is not kept
   */
  changes(origin: RegionId, after: number, limits: ChangeLimits): Awaitable<KeptChanges>;
}

import type { RegionId } from "../../base/index.js";
import { type ClockReading, compareStamps, type Stamp, tick } from "./stamp.js";
import { covers, type Dot, type VersionVector } from "./version-vector.js";

/**
 * The decisions on which convergence rests, one function each, so that each can be read by itself
 * and so that tests can plant a wrong one and see the checkers find it. Production uses
 * `REGION_RULES`.
 */
export interface RegionRules {
  /** MR-1: the reading of the next write. */
  nextReading(clock: ClockReading, wallMs: number): ClockReading;
  /** MR-2: which of two stamps is later; 0 for the same stamp only. */
  compare(a: Stamp, b: Stamp): number;
  /** MR-4: whoever wrote `writer` knew `other`. */
  knew(seen: VersionVector, writer: Dot, other: Dot): boolean;
  /** MR-9: a change that came back to where it was made. */
  isEcho(origin: RegionId, self: RegionId): boolean;
  /** MR-10: the changes of a region are taken one after the other. */
  order(have: number, seq: number): "next" | "known" | "gap";
  /** MR-11: all that the writer knew is here. */
  isReady(have: VersionVector, seen: VersionVector): boolean;
  /** MR-14: no region can still send anything that does not know this. */
  mayForget(stable: VersionVector, dot: Dot): boolean;
}

export const REGION_RULES: RegionRules = {
  nextReading: tick,
  compare: compareStamps,
  knew: (seen, writer, other) =>
    other.origin === writer.origin ? other.seq < writer.seq : covers(seen, other),
  isEcho: (origin, self) => origin === self,
  order: (have, seq) => (seq <= have ? "known" : seq === have + 1 ? "next" : "gap"),
  isReady: (have, seen) => {
    for (const [origin, seq] of seen) if (!covers(have, { origin, seq })) return false;
    return true;
  },
  mayForget: covers,
};

import type { JsonValue } from "../../base/index.js";
import type { ClosedConflict } from "./conflict.js";
import type { Run } from "./register.js";
import type { ClockReading } from "./stamp.js";
import type { Dot, VersionVector } from "./version-vector.js";

/** What one command did in the region that took it, as every other region is told. */
export interface Change extends Dot, ClockReading {
  /** What that region knew of the others' writes when it made this one. */
  readonly seen: VersionVector;
  readonly things: readonly ThingChange[];
  /** Conflicts that this write has put an end to, because its region knew all sides. */
  readonly closed: readonly ClosedConflict[];
}

/** Only what was written: a place that is not named stays as it is. */
export interface ThingChange {
  readonly key: string;
  readonly life: boolean;
  /** It was not there before: what its writer knew of an earlier life is over. */
  readonly fresh?: boolean | undefined;
  readonly shape?: JsonValue | undefined;
  readonly labels: readonly (readonly [label: string, present: boolean])[];
  readonly properties: readonly PropertyWrite[];
  readonly runs: readonly (readonly [property: string, run: Run])[];
}

export interface PropertyWrite {
  readonly name: string;
  /** undefined: the property is gone. */
  readonly value: JsonValue | undefined;
  readonly contains?: readonly Run[] | undefined;
}

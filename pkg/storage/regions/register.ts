import type { JsonValue, RegionId } from "../../base/index.js";
import { canonicalText } from "../canonical.js";
import type { RegionRules } from "./rules.js";
import type { ClockReading } from "./stamp.js";
import type { Dot, VersionVector } from "./version-vector.js";

/** What one write put into one place; `value` undefined: it took the value away. */
export interface Version extends Dot, ClockReading {
  readonly value: JsonValue | undefined;
  /** The runs of increments that are contained in `value`, as far as there were any. */
  readonly contains?: readonly Run[] | undefined;
}

/**
 * What one region has added to a number since it began to count. `since` names the run: the seq of
 * its first increment. A later `seq` of the same region replaces an earlier one.
 */
export interface Run extends Dot, ClockReading {
  readonly since: number;
  readonly total: number;
}

/**
 * One place that is decided by itself: a property, a label, the ends of an edge, the existence of
 * a thing. It holds the versions that no other version was written in knowledge of: one, or one of
 * each region that wrote without knowing of the others. By region, so that equal sets are equal.
 */
export interface Register {
  readonly versions: readonly Version[];
  readonly runs?: readonly Run[] | undefined;
}

export const EMPTY_REGISTER: Register = { versions: [] };

/** Adds a version in place of those that its writer knew. */
export function addVersion(
  register: Register,
  version: Version,
  seen: VersionVector,
  rules: RegionRules,
): Register {
  if (register.versions.length === 0 && register.runs === undefined) return { versions: [version] };
  const kept = register.versions.filter((other) => !rules.knew(seen, version, other));
  const known = (register.runs ?? []).filter((run) => rules.knew(seen, version, run));
  return { ...register, versions: byOrigin([...kept, containing(version, known)]) };
}

/**
 * Runs that the writer knew to their present end are contained, named by it or not: it may have
 * forgotten them, while here they still are.
 */
function containing(version: Version, runs: readonly Run[]): Version {
  if (runs.length === 0) return version;
  const named = (version.contains ?? []).filter(
    ({ origin }) => !runs.some((run) => run.origin === origin),
  );
  return { ...version, contains: byOrigin([...named, ...runs]) };
}

/** Drops the versions and runs that a writer knew, without putting anything in their place. */
export function dropKnown(
  register: Register,
  writer: Dot,
  seen: VersionVector,
  rules: RegionRules,
): Register {
  const versions = register.versions.filter((other) => !rules.knew(seen, writer, other));
  const runs = register.runs?.filter((run) => !rules.knew(seen, writer, run)) ?? [];
  return runs.length === 0 ? { versions } : { versions, runs };
}

export function setRun(register: Register, run: Run): Register {
  const others = (register.runs ?? []).filter(({ origin }) => origin !== run.origin);
  return { ...register, runs: byOrigin([...others, run]) };
}

/** The version's value has the whole run in it. */
export function isContained(run: Run, version: Version): boolean {
  const known = version.contains?.find(({ origin }) => origin === run.origin);
  return known !== undefined && known.since === run.since && known.seq >= run.seq;
}

const NO_RUNS: readonly Run[] = [];

/** The increments that a version does not contain yet. */
export function missingRuns(register: Register, version: Version | undefined): readonly Run[] {
  if (register.runs === undefined) return NO_RUNS;
  const missing = register.runs.map((run) => {
    const known = version?.contains?.find(({ origin }) => origin === run.origin);
    const contained = known !== undefined && known.since === run.since;
    if (!contained) return run;
    return known.seq >= run.seq ? undefined : { ...run, total: run.total - known.total };
  });
  return missing.filter((run) => run !== undefined);
}

/**
 * What the place shows if this version is the one that counts: increments that it does not contain
 * come on top of a number, or of nothing.
 */
export function faceOf(register: Register, version: Version | undefined): JsonValue | undefined {
  const value = version?.value;
  const missing = missingRuns(register, version);
  if (missing.length === 0) return value;
  if (value !== undefined && typeof value !== "number") return value;
  return missing.reduce((sum, { total }) => sum + total, value ?? 0);
}

/** True when the versions do not all show the same. */
export function disagrees(register: Register): boolean {
  const [first, ...rest] = register.versions;
  if (first === undefined || rest.length === 0) return false;
  const text = faceText(register, first);
  return rest.some((version) => faceText(register, version) !== text);
}

/** Equal for equal faces and for nothing else. */
export function faceText(register: Register, version: Version): string {
  const face = faceOf(register, version);
  return face === undefined ? "" : canonicalText(face);
}

function byOrigin<T extends { readonly origin: RegionId }>(items: T[]): T[] {
  return items.sort((a, b) => (a.origin < b.origin ? -1 : 1));
}

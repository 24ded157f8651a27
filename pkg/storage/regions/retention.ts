import { isContained, type Register } from "./register.js";
import type { RegionRules } from "./rules.js";
import type { Thing } from "./thing.js";
import { meet, type VersionVector } from "./version-vector.js";

/** What forgetting is decided by. */
export interface Retention {
  /** What every region is known to know, so that nothing that does not know it can still come. */
  readonly stable: VersionVector;
  /** Tombstones made before it, by the clocks of those who made them, may go. */
  readonly beforeMs: number;
  readonly rules: RegionRules;
}

/**
 * What all regions know, by what each said last in its own stream. A region that is unreachable
 * holds it where it was; only those in `lost` do not count.
 */
export function stableVector(
  own: VersionVector,
  known: ReadonlyMap<string, VersionVector>,
  lost: ReadonlySet<string>,
): VersionVector {
  const others = [...known].filter(([region]) => !lost.has(region)).map(([, vector]) => vector);
  return meet([own, ...others]);
}

/**
 * The thing without what nobody needs any more; undefined when that is all of it.
 * @param isHeld - something else still refers to it
 */
export function withoutForgotten(
  thing: Thing,
  retention: Retention,
  isHeld: () => boolean,
): Thing | undefined {
  if (isOver(thing.life, false, retention) && !isHeld()) return undefined;
  const labels = keep(thing.labels, false, retention);
  const properties = keep(thing.properties, undefined, retention);
  if (labels.size === thing.labels.size && properties.size === thing.properties.size) return thing;
  return { ...thing, labels, properties };
}

function keep(
  registers: ReadonlyMap<string, Register>,
  nothing: false | undefined,
  retention: Retention,
): ReadonlyMap<string, Register> {
  return new Map([...registers].filter(([, register]) => !isOver(register, nothing, retention)));
}

/**
 * All versions say that there is nothing, everybody knows them, and they are old enough.
 * @param nothing - what a version holds that says so
 */
function isOver(
  { versions, runs }: Register,
  nothing: false | undefined,
  { stable, beforeMs, rules }: Retention,
): boolean {
  if (versions.length === 0) return false;
  return versions.every(
    (version) =>
      version.value === nothing &&
      version.ms < beforeMs &&
      rules.mayForget(stable, version) &&
      (runs ?? []).every((run) => isContained(run, version)),
  );
}

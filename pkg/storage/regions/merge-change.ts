import type { Change, ThingChange } from "./change.js";
import {
  addVersion,
  dropKnown,
  EMPTY_REGISTER,
  type Register,
  setRun,
  type Version,
} from "./register.js";
import type { RegionRules } from "./rules.js";
import type { Thing } from "./thing.js";

/**
 * What a thing is after a change, of this region or another. The order of two changes that did not
 * know of each other makes no difference: each takes away only what its writer knew.
 */
export function mergeThing(
  thing: Thing,
  change: Change,
  written: ThingChange,
  rules: RegionRules,
): Thing {
  const { origin, seq, ms, counter, seen } = change;
  const version = (value: Version["value"], contains?: Version["contains"]): Version => {
    const plain = { origin, seq, ms, counter, value };
    return contains === undefined ? plain : { ...plain, contains };
  };
  const add = (register: Register | undefined, next: Version): Register =>
    addVersion(register ?? EMPTY_REGISTER, next, seen, rules);
  const start = written.fresh === true ? withoutKnown(thing, change, rules) : thing;
  const labels = new Map(start.labels);
  for (const [label, present] of written.labels) {
    labels.set(label, add(labels.get(label), version(present)));
  }
  const properties = new Map(start.properties);
  for (const { name, value, contains } of written.properties) {
    properties.set(name, add(properties.get(name), version(value, contains)));
  }
  for (const [name, run] of written.runs) {
    properties.set(name, setRun(properties.get(name) ?? EMPTY_REGISTER, run));
  }
  const { shape } = written;
  return {
    key: thing.key,
    life: add(thing.life, version(written.life)),
    shape: shape === undefined ? start.shape : add(start.shape, version(shape)),
    labels,
    properties,
  };
}

/** A new life begins: versions of the old one that its writer knew are gone. */
function withoutKnown(thing: Thing, change: Change, rules: RegionRules): Thing {
  if (thing.life.versions.length === 0) return thing;
  const drop = (register: Register) => dropKnown(register, change, change.seen, rules);
  return {
    ...thing,
    shape: drop(thing.shape),
    labels: kept(thing.labels, drop),
    properties: kept(thing.properties, drop),
  };
}

function kept(
  registers: ReadonlyMap<string, Register>,
  drop: (register: Register) => Register,
): ReadonlyMap<string, Register> {
  const left = [...registers].map(([name, register]) => [name, drop(register)] as const);
  return new Map(
    left.filter(([, { versions, runs }]) => versions.length > 0 || runs !== undefined),
  );
}

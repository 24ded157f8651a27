import { invariant, type JsonObject, type JsonValue } from "../../base/index.js";
import { canonicalText } from "../canonical.js";
import type { Change, PropertyWrite, ThingChange } from "./change.js";
import { type ClosedConflict, conflictsOf } from "./conflict.js";
import type { Decider, Image } from "./decide.js";
import { EMPTY_REGISTER, isContained, type Register, type Run } from "./register.js";
import type { ClockReading } from "./stamp.js";
import { emptyThing, type Thing } from "./thing.js";
import type { Dot, VersionVector } from "./version-vector.js";

/** What a command of this region wants of one thing: only the places that it writes. */
export interface ThingWrite {
  readonly key: string;
  /** false: delete it. */
  readonly life: boolean;
  /** A deleted thing comes back as it was, instead of anew. */
  readonly revive?: boolean | undefined;
  readonly shape?: JsonValue | undefined;
  readonly labels?: ReadonlyMap<string, boolean> | undefined;
  /** undefined: take it away. */
  readonly properties?: ReadonlyMap<string, JsonValue | undefined> | undefined;
  /** Whole numbers to add. */
  readonly increments?: ReadonlyMap<string, number> | undefined;
}

/** The places in which two images differ; undefined for an image: it is not there. */
export function writeBetween(
  key: string,
  before: Image | undefined,
  after: Image | undefined,
): ThingWrite {
  if (after === undefined) return { key, life: false };
  const labels = new Map<string, boolean>();
  for (const label of before?.labels ?? []) {
    if (!after.labels.includes(label)) labels.set(label, false);
  }
  for (const label of after.labels) if (!before?.labels.includes(label)) labels.set(label, true);
  const isSame = (a: JsonValue | undefined, b: JsonValue | undefined): boolean =>
    a === undefined || b === undefined ? a === b : canonicalText(a) === canonicalText(b);
  const old: JsonObject = before?.properties ?? {};
  const names = new Set([...Object.keys(old), ...Object.keys(after.properties)]);
  const properties = new Map<string, JsonValue | undefined>();
  for (const name of names) {
    const [was, is] = [own(old, name), own(after.properties, name)];
    if (!isSame(was, is)) properties.set(name, is);
  }
  const shape = isSame(before?.shape, after.shape) ? undefined : after.shape;
  return { key, life: true, labels, properties, ...(shape === undefined ? {} : { shape }) };
}

function own(properties: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

export interface WriteContext {
  readonly dot: Dot;
  readonly reading: ClockReading;
  readonly seen: VersionVector;
  readonly decider: Decider;
  readonly how: ClosedConflict["how"];
  lookUp(key: string): Thing | undefined;
}

/** The change that the writes of one command make. Nothing is stored by this. */
export function makeChange(writes: readonly ThingWrite[], context: WriteContext): Change {
  const closed: ClosedConflict[] = [];
  const things = writes.map((write) => {
    const thing = context.lookUp(write.key) ?? emptyThing(write.key);
    for (const conflict of conflictsOf(thing, context.decider)) {
      if (ends(write, conflict.field)) closed.push({ ...conflict, how: context.how });
    }
    return changeThing(write, thing, context);
  });
  const { dot, reading, seen } = context;
  const { ms, counter } = reading;
  return { origin: dot.origin, seq: dot.seq, ms, counter, seen, things, closed };
}

/** Every write says that the thing is there or not; a deletion ends whatever stands in conflict. */
function ends(write: ThingWrite, field: string): boolean {
  if (!write.life || field === "life") return true;
  if (field === "shape") return write.shape !== undefined;
  return write.properties?.has(field.slice("property:".length)) ?? false;
}

function changeThing(write: ThingWrite, thing: Thing, context: WriteContext): ThingChange {
  const { key, life } = write;
  if (!life) return { key, life, labels: [], properties: [], runs: [] };
  const fresh = write.revive !== true && !context.decider.isAlive(thing);
  const properties: PropertyWrite[] = [];
  for (const [name, value] of write.properties ?? []) {
    const contains = thing.properties.get(name)?.runs;
    properties.push(contains === undefined ? { name, value } : { name, value, contains });
  }
  if (fresh) properties.push(...countedBefore(thing, write));
  const runs = [...(write.increments ?? [])].map(([name, by]) => {
    return [name, runOf(thing.properties.get(name) ?? EMPTY_REGISTER, by, context)] as const;
  });
  return {
    key,
    life,
    ...(fresh ? { fresh } : {}),
    ...(write.shape === undefined ? {} : { shape: write.shape }),
    labels: [...(write.labels ?? [])],
    properties,
    runs,
  };
}

/** Increments of an earlier life must not show in the new one. */
function countedBefore(thing: Thing, write: ThingWrite): PropertyWrite[] {
  return [...thing.properties]
    .filter(([name, { runs }]) => runs !== undefined && !write.properties?.has(name))
    .map(([name, { runs }]) => ({ name, value: undefined, contains: runs }));
}

/**
 * A run that every version contains is over: a region that has forgotten it must not count it
 * again, so the next increment begins another one.
 */
function runOf(register: Register, by: number, { dot, reading }: WriteContext): Run {
  invariant(Number.isSafeInteger(by), "an increment is a safe integer");
  const { origin, seq } = dot;
  const run = register.runs?.find((known) => known.origin === origin);
  const isOver =
    run === undefined ||
    (register.versions.length > 0 &&
      register.versions.every((version) => isContained(run, version)));
  if (isOver) return { origin, seq, ...reading, since: seq, total: by };
  return { origin, seq, ...reading, since: run.since, total: run.total + by };
}

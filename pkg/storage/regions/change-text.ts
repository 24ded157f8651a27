import { isSafeCount, type JsonValue, parseRegionId, type RegionId } from "../../base/index.js";
import { invalid } from "../envelope.js";
import type { Change, PropertyWrite, ThingChange } from "./change.js";
import type { ClosedConflict, ConflictVersion } from "./conflict.js";
import type { Run } from "./register.js";
import { COUNTER_MAX, parseStamp } from "./stamp.js";
import { type VersionVector, vectorPairs } from "./version-vector.js";

type Fields = Readonly<Record<string, unknown>>;
const KINDS = ["value", "update_delete", "edge_end", "increment"] as const;
const KEY = /^[ne]:./s;

/** As JSON, with lists where names come from outside. */
export function changeText(change: Change): string {
  const { origin, seq, ms, counter, seen, things, closed } = change;
  return JSON.stringify({
    origin,
    seq,
    clock: [ms, counter],
    seen: vectorPairs(seen),
    things: things.map(thingData),
    closed,
  });
}

function thingData({ key, life, fresh, shape, labels, properties, runs }: ThingChange) {
  return {
    key,
    life,
    fresh,
    shape,
    labels: labels.length === 0 ? undefined : labels,
    put: nonEmpty(properties.filter(({ value }) => value !== undefined).map(propertyData)),
    gone: nonEmpty(properties.filter(({ value }) => value === undefined).map(goneData)),
    runs: nonEmpty(runs.map(([name, run]) => [name, runData(run)])),
  };
}

function nonEmpty<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

function propertyData({ name, value, contains }: PropertyWrite) {
  return contains === undefined ? [name, value] : [name, value, contains.map(runData)];
}

function goneData({ name, contains }: PropertyWrite) {
  return contains === undefined ? [name] : [name, contains.map(runData)];
}

function runData({ origin, since, seq, ms, counter, total }: Run) {
  return [origin, since, seq, ms, counter, total];
}

/**
 * A change as another region sent it, every field looked at.
 * @throws ReplicationError `INVALID` naming what is wrong
 */
export function parseChange(data: unknown): Change {
  const fields = toFields(data, "change");
  const [ms, counter] = toList(fields.clock, "clock");
  check(isSafeCount(ms), "clock[0]");
  check(isSafeCount(counter) && counter <= COUNTER_MAX, "clock[1]");
  const origin = toRegion(fields.origin, "origin");
  check(isSafeCount(fields.seq) && fields.seq > 0, "seq");
  return {
    origin,
    seq: fields.seq,
    ms,
    counter,
    seen: toVector(fields.seen),
    things: toList(fields.things, "things").map(toThing),
    closed: toList(fields.closed, "closed").map(toClosed),
  };
}

function toThing(data: unknown): ThingChange {
  const { key, life, fresh, shape, labels, put, gone, runs } = toFields(data, "things[]");
  check(typeof key === "string" && KEY.test(key), "key");
  check(typeof life === "boolean", "life");
  check(fresh === undefined || typeof fresh === "boolean", "fresh");
  if (shape !== undefined) checkShape(shape);
  check(!(fresh === true && key.startsWith("e:")) || shape !== undefined, "shape");
  return {
    key,
    life,
    ...(fresh === true ? { fresh } : {}),
    ...(shape === undefined ? {} : { shape: shape as JsonValue }),
    labels: toList(labels ?? [], "labels").map(toLabel),
    properties: [...toList(put ?? [], "put").map(toPut), ...toList(gone ?? [], "gone").map(toGone)],
    runs: toList(runs ?? [], "runs").map(toNamedRun),
  };
}

function checkShape(shape: unknown): void {
  const { from, to, type } = toFields(shape, "shape");
  for (const part of [from, to, type]) check(typeof part === "string", "shape");
}

function toLabel(data: unknown): readonly [string, boolean] {
  const [label, present] = toList(data, "labels[]");
  check(typeof label === "string" && typeof present === "boolean", "labels[]");
  return [label, present];
}

function toPut(data: unknown): PropertyWrite {
  const [name, value, contains] = toList(data, "put[]");
  check(typeof name === "string" && value !== undefined, "put[]");
  return withRuns({ name, value: value as JsonValue }, contains);
}

function toGone(data: unknown): PropertyWrite {
  const [name, contains] = toList(data, "gone[]");
  check(typeof name === "string", "gone[]");
  return withRuns({ name, value: undefined }, contains);
}

function withRuns(write: PropertyWrite, contains: unknown): PropertyWrite {
  if (contains === undefined) return write;
  return { ...write, contains: toList(contains, "runs").map(toRun) };
}

function toNamedRun(data: unknown): readonly [string, Run] {
  const [name, run] = toList(data, "runs[]");
  check(typeof name === "string", "runs[]");
  return [name, toRun(run)];
}

function toRun(data: unknown): Run {
  const [origin, since, seq, ms, counter, total] = toList(data, "run");
  for (const part of [since, seq, ms, counter]) check(isSafeCount(part), "run");
  check(Number.isSafeInteger(total), "run");
  return { origin: toRegion(origin, "run"), since, seq, ms, counter, total } as Run;
}

function toClosed(data: unknown): ClosedConflict {
  const { id, key, field, kind, winner, losers, how } = toFields(data, "closed[]");
  check(typeof id === "string" && typeof field === "string", "closed[]");
  check(typeof key === "string" && KEY.test(key), "closed[].key");
  const known = KINDS.find((name) => name === kind);
  check(known !== undefined, "closed[].kind");
  check(how === "overwritten" || how === "resolved", "closed[].how");
  return {
    id,
    key,
    field,
    kind: known,
    winner: toSide(winner),
    losers: toList(losers, "closed[].losers").map(toSide),
    how,
  };
}

function toSide(data: unknown): ConflictVersion {
  const { origin, seq, clock, value } = toFields(data, "closed[]");
  check(isSafeCount(seq), "closed[].seq");
  check(typeof clock === "string" && parseStamp(clock) !== undefined, "closed[].clock");
  const side = { origin: toRegion(origin, "closed[].origin"), seq, clock };
  return value === undefined ? side : { ...side, value: value as JsonValue };
}

/** @throws ReplicationError `INVALID` */
export function toVector(data: unknown): VersionVector {
  const vector = new Map<RegionId, number>();
  for (const pair of toList(data, "seen")) {
    const [region, seq] = toList(pair, "seen[]");
    check(isSafeCount(seq), "seen[]");
    vector.set(toRegion(region, "seen[]"), seq);
  }
  return vector;
}

function toRegion(data: unknown, field: string): RegionId {
  const region = typeof data === "string" ? parseRegionId(data) : undefined;
  check(region !== undefined, field);
  return region;
}

function toList(data: unknown, field: string): readonly unknown[] {
  check(Array.isArray(data), field);
  return data;
}

function toFields(data: unknown, field: string): Fields {
  check(typeof data === "object" && data !== null && !Array.isArray(data), field);
  return data as Fields;
}

function check(condition: boolean, field: string): asserts condition {
  if (!condition) throw invalid(`a region's change has a wrong ${field}`);
}

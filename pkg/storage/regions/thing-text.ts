import type { JsonValue, RegionId } from "../../base/index.js";
import type { Register, Run, Version } from "./register.js";
import type { Thing } from "./thing.js";

/** `[origin, seq, ms, counter]`; most parts of a thing share one of a few. */
type WriteData = readonly [origin: RegionId, seq: number, ms: number, counter: number];
type RunData = readonly [write: number, since: number, total: number];
/** Value missing: it was taken away; a 0 behind the runs says so where they must be named. */
type VersionData =
  | readonly [write: number]
  | readonly [write: number, value: JsonValue]
  | readonly [write: number, value: JsonValue, contains: readonly RunData[]]
  | readonly [write: number, value: null, contains: readonly RunData[], gone: 0];
type RegisterData = readonly [versions: readonly VersionData[], runs?: readonly RunData[]];
type NamedData = readonly (readonly [name: string, register: RegisterData])[];
type ThingData = readonly [
  writes: readonly WriteData[],
  life: RegisterData,
  shape: RegisterData,
  labels: NamedData,
  properties: NamedData,
];

/** A thing as it is stored: equal for things that came about in the same way. */
export function thingText(thing: Thing): string {
  const writer = new Writes();
  const body = [
    writer.register(thing.life),
    writer.register(thing.shape),
    writer.named(thing.labels),
    writer.named(thing.properties),
  ] as const;
  return JSON.stringify([writer.list, ...body] satisfies ThingData);
}

/** @param text - what `thingText` made */
export function readThing(key: string, text: string): Thing {
  const [writes, life, shape, labels, properties] = JSON.parse(text) as ThingData;
  const reader = new Reader(writes);
  return {
    key,
    life: reader.register(life),
    shape: reader.register(shape),
    labels: reader.named(labels),
    properties: reader.named(properties),
  };
}

/** Gives each write a number. */
class Writes {
  readonly list: WriteData[] = [];

  register({ versions, runs }: Register): RegisterData {
    const found = versions.map((version) => this.#version(version));
    return runs === undefined ? [found] : [found, this.#runs(runs)];
  }

  named(registers: ReadonlyMap<string, Register>): NamedData {
    return [...registers].map(([name, register]) => [name, this.register(register)]);
  }

  #version(version: Version): VersionData {
    const write = this.#write(version);
    const { value, contains } = version;
    if (contains === undefined) return value === undefined ? [write] : [write, value];
    const runs = this.#runs(contains);
    return value === undefined ? [write, null, runs, 0] : [write, value, runs];
  }

  #runs(runs: readonly Run[]): RunData[] {
    return runs.map((run) => [this.#write(run), run.since, run.total]);
  }

  #write({ origin, seq, ms, counter }: Version | Run): number {
    const known = this.list.findIndex((write) => write[0] === origin && write[1] === seq);
    if (known >= 0) return known;
    this.list.push([origin, seq, ms, counter]);
    return this.list.length - 1;
  }
}

class Reader {
  readonly #writes: readonly WriteData[];

  constructor(writes: readonly WriteData[]) {
    this.#writes = writes;
  }

  register([versions, runs]: RegisterData): Register {
    const found = versions.map((version) => this.#version(version));
    return runs === undefined ? { versions: found } : { versions: found, runs: this.#runs(runs) };
  }

  named(data: NamedData): ReadonlyMap<string, Register> {
    return new Map(data.map(([name, register]) => [name, this.register(register)]));
  }

  #version(data: VersionData): Version {
    const [write, value, contains] = data;
    const isGone = data.length === 1 || data.length === 4;
    const version = { ...this.#write(write), value: isGone ? undefined : (value as JsonValue) };
    return contains === undefined ? version : { ...version, contains: this.#runs(contains) };
  }

  #runs(runs: readonly RunData[]): Run[] {
    return runs.map(([write, since, total]) => ({ ...this.#write(write), since, total }));
  }

  #write(number: number) {
    const [origin, seq, ms, counter] = this.#writes[number] as WriteData;
    return { origin, seq, ms, counter };
  }
}

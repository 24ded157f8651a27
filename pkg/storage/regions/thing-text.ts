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
export function thingText({ life, shape, labels, properties }: Thing): string {
  const writer = new Writer();
  const registers = `${writer.register(life)},${writer.register(shape)}`;
  return `[${writer.close(`${registers},${writer.named(labels)},${writer.named(properties)}`)}]`;
}

/** @param text - what `thingText` made */
export function readThing(key: string, text: string): Thing {
  const [writes, life, shape, labels, properties] = JSON.parse(text) as ThingData;
  return {
    key,
    life: toRegister(life, writes),
    shape: toRegister(shape, writes),
    labels: toNamed(labels, writes),
    properties: toNamed(properties, writes),
  };
}

/** Gives each write a number. Text is put together by hand: it is made for every write of everybody. */
class Writer {
  readonly #writes: (Version | Run)[] = [];

  /** @returns the writes, and what refers to them */
  close(body: string): string {
    let writes = "";
    for (const { origin, seq, ms, counter } of this.#writes) {
      writes += `${writes === "" ? "" : ","}[${JSON.stringify(origin)},${seq},${ms},${counter}]`;
    }
    return `[${writes}],${body}`;
  }

  named(registers: ReadonlyMap<string, Register>): string {
    let text = "";
    for (const [name, register] of registers) {
      text += `${text === "" ? "" : ","}[${JSON.stringify(name)},${this.register(register)}]`;
    }
    return `[${text}]`;
  }

  register({ versions, runs }: Register): string {
    let text = "";
    for (const version of versions) text += `${text === "" ? "" : ","}${this.#version(version)}`;
    return runs === undefined ? `[[${text}]]` : `[[${text}],${this.#runs(runs)}]`;
  }

  #version(version: Version): string {
    const write = this.#write(version);
    const { value, contains } = version;
    const shown = value === undefined ? "null" : JSON.stringify(value);
    if (contains === undefined) return value === undefined ? `[${write}]` : `[${write},${shown}]`;
    return `[${write},${shown},${this.#runs(contains)}${value === undefined ? ",0" : ""}]`;
  }

  #runs(runs: readonly Run[]): string {
    return `[${runs.map((run) => `[${this.#write(run)},${run.since},${run.total}]`).join(",")}]`;
  }

  #write(write: Version | Run): number {
    for (let at = 0; at < this.#writes.length; at += 1) {
      const known = this.#writes[at] as Version | Run;
      if (known.seq === write.seq && known.origin === write.origin) return at;
    }
    return this.#writes.push(write) - 1;
  }
}

type WriteList = readonly WriteData[];

function toRegister([versions, runs]: RegisterData, writes: WriteList): Register {
  const found: Version[] = [];
  for (const version of versions) found.push(toVersion(version, writes));
  return runs === undefined ? { versions: found } : { versions: found, runs: toRuns(runs, writes) };
}

function toNamed(data: NamedData, writes: WriteList): ReadonlyMap<string, Register> {
  const named = new Map<string, Register>();
  for (const [name, register] of data) named.set(name, toRegister(register, writes));
  return named;
}

function toVersion(data: VersionData, writes: WriteList): Version {
  const [write, shown, contains] = data;
  const [origin, seq, ms, counter] = writes[write] as WriteData;
  const isGone = data.length === 1 || data.length === 4;
  const value = isGone ? undefined : (shown as JsonValue);
  if (contains === undefined) return { origin, seq, ms, counter, value };
  return { origin, seq, ms, counter, value, contains: toRuns(contains, writes) };
}

function toRuns(runs: readonly RunData[], writes: WriteList): Run[] {
  return runs.map(([write, since, total]) => {
    const [origin, seq, ms, counter] = writes[write] as WriteData;
    return { origin, seq, ms, counter, since, total };
  });
}

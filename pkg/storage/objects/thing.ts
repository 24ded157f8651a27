import type { JsonValue } from "../../base/index.js";
import type { ContentShape } from "../content/inspect-content.js";
import {
  type ObjectRecord,
  objectHash,
  objectRecord,
  type SegmentRecord,
  segmentHash,
  segmentRecord,
} from "./records.js";

/** Whatever the digest covers, as it is stored. Leases and pins are not among it. */
export type Thing =
  | { readonly kind: "o"; readonly row: ObjectRecord }
  | { readonly kind: "s"; readonly row: SegmentRecord };

export function keyOf(thing: Thing): string {
  return thing.kind === "o" ? `o:${thing.row.key}` : `s:${thing.row.segment}`;
}

/** From the stored bytes; `row.hash` is not looked at. */
export function hashOf(thing: Thing): number {
  return thing.kind === "o" ? objectHash(thing.row) : segmentHash(thing.row);
}

export const catalogueShape: ContentShape<Thing> = {
  keyOf,
  hashOf,
  versionOf: (thing) => thing.row.version,
  toValue: ({ kind, row: { hash: _, ...row } }) => ({ kind, ...row }) as JsonValue,
};

/** @throws Error when the value is not what `toValue` makes for that key */
export function fromValue(key: string, value: JsonValue): Thing | undefined {
  if (value === null) return undefined;
  const thing = toThing(value as { readonly [name: string]: JsonValue });
  if (thing === undefined || keyOf(thing) !== key) throw new Error(`the record of ${key} is wrong`);
  return thing;
}

function toThing(v: { readonly [name: string]: JsonValue }): Thing | undefined {
  const are = (type: string, ...names: readonly string[]) =>
    names.every((name) => typeof v[name] === type);
  if (
    v.kind === "o" &&
    are("string", "key", "replicas") &&
    are("number", "complete", "put", "startedMs", "version")
  ) {
    const { key, complete, put, startedMs, replicas, version } = v as unknown as ObjectRecord;
    return { kind: "o", row: objectRecord({ key, complete, put, startedMs, replicas, version }) };
  }
  if (
    v.kind === "s" &&
    are("string", "segment", "address") &&
    are("number", "bytes", "used", "mount", "version")
  ) {
    const { segment, address, bytes, used, mount, version } = v as unknown as SegmentRecord;
    return { kind: "s", row: segmentRecord({ segment, address, bytes, used, mount, version }) };
  }
  return undefined;
}

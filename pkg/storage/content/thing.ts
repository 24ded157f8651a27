import type { JsonValue } from "../../base/index.js";
import {
  type EdgeRecord,
  edgeHash,
  edgeRecord,
  type IndexRecord,
  indexHash,
  indexId,
  indexRecord,
  type NodeRecord,
  nodeHash,
  nodeRecord,
} from "../records.js";
import type { ContentShape } from "./inspect-content.js";

/** Whatever the digest covers, as it is stored. */
export type Thing =
  | { readonly kind: "n"; readonly row: NodeRecord }
  | { readonly kind: "e"; readonly row: EdgeRecord }
  | { readonly kind: "i"; readonly row: IndexRecord };
export type ThingKind = Thing["kind"];

export function keyOf(thing: Thing): string {
  return `${thing.kind}:${thing.kind === "i" ? indexId(thing.row) : thing.row.id}`;
}

/** From the stored bytes; `row.hash` is not looked at. */
export function hashOf(thing: Thing): number {
  if (thing.kind === "n") return nodeHash(thing.row);
  return thing.kind === "e" ? edgeHash(thing.row) : indexHash(thing.row);
}

export interface ParsedKey {
  readonly kind: ThingKind;
  readonly id: string;
}

/** @throws Error for a text that is no key */
export function parseKey(key: string): ParsedKey {
  const [kind, colon] = [key[0], key[1]];
  if (colon !== ":" || (kind !== "n" && kind !== "e" && kind !== "i")) {
    throw new Error(`${key} is not a key`);
  }
  return { kind, id: key.slice(2) };
}

/** A thing as JSON for another replica; it brings no hash along. */
export function toValue(thing: Thing): JsonValue {
  const { hash: _, ...row } = thing.row;
  return { kind: thing.kind, ...row } as JsonValue;
}

/** @throws Error when the value is not what `toValue` makes for that key */
export function fromValue(key: string, value: JsonValue): Thing | undefined {
  if (value === null) return undefined;
  const thing = toThing(value as { readonly [name: string]: JsonValue });
  if (thing === undefined || keyOf(thing) !== key) throw new Error(`the record of ${key} is wrong`);
  return thing;
}

function toThing(v: { readonly [name: string]: JsonValue }): Thing | undefined {
  const { kind, version } = v;
  const text = (...names: readonly string[]) => names.every((name) => typeof v[name] === "string");
  if (typeof version !== "number") return undefined;
  if (kind === "n" && text("id", "labels", "properties")) {
    const { id, labels, properties } = v as Record<string, string>;
    return {
      kind,
      row: nodeRecord(id as string, labels as string, properties as string, version),
    };
  }
  if (kind === "e" && text("id", "from", "to", "type", "properties")) {
    const { id, from, to, type, properties } = v as unknown as EdgeRecord;
    return { kind, row: edgeRecord({ id, from, to, type, properties, version }) };
  }
  if (kind === "i" && text("label", "property")) {
    const { label, property } = v as unknown as IndexRecord;
    return { kind, row: indexRecord({ label, property, version }) };
  }
  return undefined;
}

/** The graph's things, to be looked through. */
export const graphShape: ContentShape<Thing> = {
  keyOf,
  hashOf,
  versionOf: (thing) => thing.row.version,
  toValue,
};

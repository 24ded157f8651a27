import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { JsonValue } from "../base/index.js";
import { STORAGE_LIMITS } from "./limits.js";

/** JSON text with the keys of every map in ascending order: equal values give equal text. */
export function canonicalText(value: JsonValue): string {
  return isSorted(value) ? JSON.stringify(value) : writeSorted(value);
}

function isSorted(value: JsonValue): boolean {
  if (value === null || typeof value !== "object") return true;
  if (Array.isArray(value)) return value.every(isSorted);
  let previous = "";
  for (const [key, item] of Object.entries(value)) {
    if (key < previous || !isSorted(item)) return false;
    previous = key;
  }
  return true;
}

function writeSorted(value: JsonValue): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(writeSorted).join(",")}]`;
  const map = value as { readonly [key: string]: JsonValue };
  const parts = Object.keys(map)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${writeSorted(map[key] as JsonValue)}`);
  return `{${parts.join(",")}}`;
}

/** Labels as stored: each once, ascending, as JSON text. */
export function labelsText(labels: readonly string[]): string {
  if (labels.length === 0) return "[]";
  return JSON.stringify(labels.length === 1 ? labels : [...new Set(labels)].sort());
}

const VALUE_KEY_LENGTH_MAX = 200;

/** The key of a value in a property index: equal for equal values and for nothing else. */
export function valueKey(value: JsonValue): string {
  const text = canonicalText(value);
  return text.length <= VALUE_KEY_LENGTH_MAX ? text : `#${hash("sha256", text, "hex")}`;
}

/** Order of the texts' UTF-8 bytes; JavaScript's own puts surrogates before U+E000. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    return rank(left) - rank(right);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** What one thing contributes to the digest of its shard: 48 bits of its canonical content. */
export function contentHash(content: string): number {
  return Number.parseInt(hash("sha1", content, "hex").slice(0, 12), 16);
}

/** @param key - the id behind a prefix for its kind: `n:`, `e:` or `i:` */
export function shardOf(key: string): number {
  return crc32(key) % STORAGE_LIMITS.digestShards;
}

import type { JsonValue } from "../../base/index.js";
import { CodecError } from "./codec-error.js";
import { DEPTH_MAX, type ExactValue, parseExact } from "./exact-json.js";

const SAFE_DIGITS_MAX = 15;
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

/**
 * Reads the payload of one of our own codes. The platform's parser does the work when one pass over
 * the bytes shows nothing that it would round, accept or overflow on; else the exact one decides.
 * @throws CodecError `MALFORMED`, `TOO_DEEP`, `FORBIDDEN_KEY`, `UNSAFE_INTEGER`
 */
export function parseOpen(bytes: Uint8Array): JsonValue {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isPlain(buffer)) return toSafeJson(parseExact(bytes), "p");
  const text = buffer.toString("utf8");
  if (text.includes("__proto__") || SURROGATE_ESCAPE.test(text)) {
    return toSafeJson(parseExact(bytes), "p");
  }
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new CodecError("MALFORMED", `not JSON: ${(error as Error).message}`);
  }
}

/** @returns the value, once every whole number in it is known to be safe */
export function toSafeJson(value: ExactValue, path: string): JsonValue {
  if (typeof value === "bigint" || (typeof value === "number" && !isExactNumber(value))) {
    throw new CodecError("UNSAFE_INTEGER", `${path} is beyond 2^53 - 1: ${value}`, path);
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) toSafeJson(item, `${path}[${i}]`);
  } else if (typeof value === "object" && value !== null) {
    for (const key of Object.keys(value)) toSafeJson(value[key] as ExactValue, `${path}.${key}`);
  }
  return value as JsonValue;
}

function isExactNumber(value: number): boolean {
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
}

/** False: a long number, an exponent, or a key with escapes. */
function isPlain(bytes: Buffer): boolean {
  const end = bytes.length;
  let depth = 0;
  let digits = 0;
  let nextEscape = -2;
  for (let at = 0; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x30 && byte <= 0x39) {
      digits += 1;
      if (digits > SAFE_DIGITS_MAX) return false;
      continue;
    }
    digits = 0;
    if (byte === 0x22) {
      let quote = bytes.indexOf(0x22, at + 1);
      if (quote < 0) return false;
      if (nextEscape !== -1 && nextEscape < at) nextEscape = bytes.indexOf(0x5c, at);
      if (nextEscape !== -1 && nextEscape < quote) {
        quote = endOfString(bytes, at + 1);
        if (bytes[quote + 1] !== 0x2c && bytes[quote + 1] !== 0x7d && bytes[quote + 1] !== 0x5d) {
          return false;
        }
      }
      at = quote;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > DEPTH_MAX) {
        throw new CodecError("TOO_DEEP", `nested deeper than ${DEPTH_MAX} levels`);
      }
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    else if (byte === 0x65 || byte === 0x45) {
      const before = bytes[at - 1] as number;
      if (before >= 0x30 && before <= 0x39) return false;
    }
  }
  return true;
}

function endOfString(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
  return at;
}

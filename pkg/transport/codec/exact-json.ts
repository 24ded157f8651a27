import { CodecError } from "./codec-error.js";

/** JSON as it stands in the text: whole numbers that a double cannot hold are `bigint`. */
export type ExactValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | ExactValue[]
  | { [key: string]: ExactValue };

/** Deepest nesting accepted anywhere in a frame. */
export const DEPTH_MAX = 64;
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
const WHOLE = /^-?[0-9]+$/;

/**
 * Reads one JSON value without rounding. A later duplicate of a key replaces the earlier one and
 * takes its place in the order; invalid UTF-8 and lone surrogates become U+FFFD.
 * @throws CodecError `MALFORMED`, `TOO_DEEP`, or `FORBIDDEN_KEY` for `__proto__`
 */
export function parseExact(bytes: Uint8Array): ExactValue {
  const reader = new ExactReader(bytes);
  const value = reader.value(0);
  reader.end();
  return value;
}

class ExactReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  end(): void {
    this.#space();
    if (this.#at < this.#bytes.length) this.#fail("more than one value");
  }

  #fail(what: string): never {
    throw new CodecError("MALFORMED", `not JSON: ${what} at byte ${this.#at}`);
  }

  #space(): number {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte ?? -1;
      this.#at += 1;
    }
  }

  #take(byte: number): boolean {
    if (this.#space() !== byte) return false;
    this.#at += 1;
    return true;
  }

  value(depth: number): ExactValue {
    const byte = this.#space();
    if (byte === 0x22) return this.#string();
    if (byte === 0x7b) return this.#object(this.#deeper(depth));
    if (byte === 0x5b) return this.#array(this.#deeper(depth));
    if (byte === 0x74) return this.#word("true", true);
    if (byte === 0x66) return this.#word("false", false);
    if (byte === 0x6e) return this.#word("null", null);
    return this.#number();
  }

  #deeper(depth: number): number {
    if (depth < DEPTH_MAX) return depth + 1;
    throw new CodecError("TOO_DEEP", `nested deeper than ${DEPTH_MAX} levels`);
  }

  #word<T extends boolean | null>(text: string, value: T): T {
    const end = this.#at + text.length;
    if (this.#bytes.toString("latin1", this.#at, end) !== text) this.#fail("an unknown word");
    this.#at = end;
    return value;
  }

  #number(): number | bigint {
    const start = this.#at;
    while (isNumberByte(this.#bytes[this.#at])) this.#at += 1;
    const text = this.#bytes.toString("latin1", start, this.#at);
    if (!NUMBER.test(text)) this.#fail("an unexpected character");
    const value = Number(text);
    if (!WHOLE.test(text) || Number.isSafeInteger(value)) return value === 0 ? 0 : value;
    if (text.length > 20) this.#fail("a number of more than 64 bits");
    return BigInt(text);
  }

  #array(depth: number): ExactValue[] {
    this.#at += 1;
    const items: ExactValue[] = [];
    if (this.#take(0x5d)) return items;
    do items.push(this.value(depth));
    while (this.#take(0x2c));
    if (!this.#take(0x5d)) this.#fail("an array without its end");
    return items;
  }

  #object(depth: number): { [key: string]: ExactValue } {
    this.#at += 1;
    const fields: { [key: string]: ExactValue } = {};
    if (this.#take(0x7d)) return fields;
    do {
      if (this.#space() !== 0x22) this.#fail("a key without quotes");
      const key = this.#string();
      if (key === "__proto__")
        throw new CodecError("FORBIDDEN_KEY", 'the key "__proto__" is refused');
      if (!this.#take(0x3a)) this.#fail("a key without a colon");
      const value = this.value(depth);
      if (Object.hasOwn(fields, key)) delete fields[key];
      fields[key] = value;
    } while (this.#take(0x2c));
    if (!this.#take(0x7d)) this.#fail("an object without its end");
    return fields;
  }

  #string(): string {
    this.#at += 1;
    const start = this.#at;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x20) this.#fail("a string without its end");
      this.#at += 1;
      if (byte === 0x22) return this.#bytes.toString("utf8", start, this.#at - 1);
      if (byte === 0x5c) return this.#escapedString(start, this.#at - 1);
    }
  }

  #escapedString(start: number, firstEscape: number): string {
    let text = this.#bytes.toString("utf8", start, firstEscape);
    this.#at = firstEscape;
    let plainFrom = firstEscape;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x20) this.#fail("a string without its end");
      if (byte !== 0x22 && byte !== 0x5c) {
        this.#at += 1;
        continue;
      }
      text += this.#bytes.toString("utf8", plainFrom, this.#at);
      this.#at += 1;
      if (byte === 0x22) return text.replace(LONE_SURROGATE, "\ufffd");
      text += this.#escape();
      plainFrom = this.#at;
    }
  }

  #escape(): string {
    const letter = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    this.#at += 1;
    if (letter !== "u") return ESCAPED[letter] ?? this.#fail("an unknown escape");
    const hex = this.#bytes.toString("latin1", this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.#fail("an unfinished escape");
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function isNumberByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  if (byte >= 0x30 && byte <= 0x39) return true;
  return byte === 0x2d || byte === 0x2b || byte === 0x2e || byte === 0x65 || byte === 0x45;
}

/** Matches bytes against the one spelling that our own and NornicDB's encoders produce. */
export class ByteCursor {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = from;
    this.end = end;
  }

  peek(): number {
    return this.at < this.end ? (this.bytes[this.at] as number) : -1;
  }

  /** Steps over `expected` when it stands here. */
  literal(expected: Uint8Array): boolean {
    const start = this.at;
    if (start + expected.length > this.end) return false;
    for (let i = 0; i < expected.length; i++) {
      if (this.bytes[start + i] !== expected[i]) return false;
    }
    this.at = start + expected.length;
    return true;
  }

  /** @returns a whole number of up to 15 digits without leading zeros, or -1 */
  count(): number {
    const start = this.at;
    let value = 0;
    for (;;) {
      const digit = this.peek() - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      this.at += 1;
    }
    const digits = this.at - start;
    if (digits === 0 || digits > 15) return -1;
    return digits > 1 && this.bytes[start] === 0x30 ? -1 : value;
  }

  /** @returns a number of at most 64 bits as its text, or "" */
  decimal(): string {
    const start = this.at;
    if (this.peek() === 0x2d) this.at += 1;
    const first = this.at;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) this.at += 1;
    const digits = this.at - first;
    if (digits === 0 || digits > 19 || (this.bytes[first] === 0x30 && this.at - start > 1))
      return "";
    if (digits === 19 && (this.bytes[first] as number) > 0x38) return "";
    return this.bytes.toString("latin1", start, this.at);
  }

  /**
   * Steps over a string of printable ASCII without quotes or escapes, opening quote already taken.
   * @returns where its closing quote is, or -1
   */
  plainString(): number {
    const bytes = this.bytes;
    for (let at = this.at; at < this.end; at++) {
      const byte = bytes[at] as number;
      if (byte === 0x22) {
        this.at = at + 1;
        return at;
      }
      if (PLAIN[byte] !== 1) return -1;
    }
    return -1;
  }

  /** @returns the text of a plain string with both quotes, or undefined */
  plainText(): string | undefined {
    if (this.peek() !== 0x22) return undefined;
    this.at += 1;
    const start = this.at;
    const close = this.plainString();
    return close < 0 ? undefined : this.bytes.toString("latin1", start, close);
  }

  /** Steps to where an object ends if it is one; what is in it is not checked. */
  object(): boolean {
    if (this.peek() !== 0x7b) return false;
    let depth = 0;
    for (let at = this.at; at < this.end; at++) {
      const byte = this.bytes[at];
      if (byte === 0x22) {
        at = this.#closingQuote(at + 1);
      } else if (byte === 0x7b) {
        depth += 1;
      } else if (byte === 0x7d) {
        depth -= 1;
        if (depth > 0) continue;
        this.at = at + 1;
        return true;
      }
    }
    return false;
  }

  #closingQuote(from: number): number {
    let at = from;
    while (at < this.end && this.bytes[at] !== 0x22) at += this.bytes[at] === 0x5c ? 2 : 1;
    return at;
  }
}

/** 1 for printable ASCII that stands for itself in a canonical string. */
const PLAIN = new Uint8Array(256);
for (let byte = 0x20; byte < 0x7f; byte++) {
  if (!'"\\<>&'.includes(String.fromCharCode(byte))) PLAIN[byte] = 1;
}

export function ascii(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

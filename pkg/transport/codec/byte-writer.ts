/** Characters that JSON.stringify leaves alone or spells otherwise than NornicDB does. */
const SPECIAL = /[<>&\u2028\u2029\ufffd\b\f\ud800-\udfff]/;
const SPECIALS = /\\[bf]|\\\\|\\ud[89a-f][0-9a-f]{2}|[<>&\u2028\u2029\ufffd]/g;

/** The string as NornicDB's encoder writes it, quotes included. U+FFFD is always escaped. */
export function quote(text: string): string {
  const json = JSON.stringify(text);
  if (!SPECIAL.test(text)) return json;
  return json.replace(SPECIALS, (found) => {
    if (found === "\\\\") return found;
    if (found === "\\b") return "\\u0008";
    if (found === "\\f") return "\\u000c";
    if (found.length > 1) return "\\ufffd";
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

const LOOP_LENGTH_MAX = 64;

/** A growing piece of memory with a cursor, for one frame or several in a row. */
export class ByteWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#at;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }

  skip(bytes: number): void {
    this.#reserve(bytes);
    this.#at += bytes;
  }

  /** Short texts are ASCII nearly always, and then a loop is the quickest. */
  text(text: string): void {
    const isShort = text.length <= LOOP_LENGTH_MAX;
    this.#reserve(isShort ? text.length * 3 : Buffer.byteLength(text));
    if (!isShort || !this.#ascii(text)) {
      this.#at += this.#buffer.write(text, this.#at, "utf8");
    }
  }

  /** @returns false, with nothing written, when a character is not ASCII */
  #ascii(text: string): boolean {
    const buffer = this.#buffer;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[at++] = code;
    }
    this.#at = at;
    return true;
  }

  base64(source: Uint8Array): void {
    const { buffer, byteOffset, byteLength } = source;
    const text = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
    this.#reserve(text.length);
    this.#at += this.#buffer.write(text, this.#at, "latin1");
  }

  bytes(source: Uint8Array): void {
    this.#reserve(source.length);
    this.#buffer.set(source, this.#at);
    this.#at += source.length;
  }

  /** What was written, in the writer's own memory: the writer is not used after it. */
  done(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }
}

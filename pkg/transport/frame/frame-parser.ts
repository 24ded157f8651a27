/** NornicDB's limit: a body of exactly this many bytes is accepted. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
export const FRAME_HEADER_BYTES = 4;
const FIRST_ALLOCATION_BYTES = 64 * 1024;

export class FrameError extends Error {
  override readonly name = "FrameError";
  constructor(
    readonly code: "FRAME_EMPTY" | "FRAME_TOO_LARGE",
    message: string,
  ) {
    super(message);
  }
}

/**
 * Cuts a byte stream into frame bodies: 4 bytes of length, big endian, then the body. The result
 * does not depend on how the stream is cut. A body given out may share memory with the chunk it
 * came in and is never written again.
 */
export class FrameParser {
  /** Longest body accepted from now on; lowered until a peer has proved who it is. */
  bytesMax: number;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #bodyBytes = 0;
  #body: Uint8Array | undefined;
  #bodyFill = 0;
  #stopped = false;

  constructor(bytesMax: number = FRAME_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  /** Bytes held for a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#body === undefined ? this.#headerFill : this.#body.length;
  }

  /** Nothing more is given out, not even from the chunk being parsed. */
  stop(): void {
    this.#stopped = true;
    this.#headerFill = 0;
    this.#body = undefined;
  }

  /** @throws FrameError before anything is allocated for that frame; the parser is stopped then */
  push(chunk: Uint8Array, onFrame: (body: Uint8Array) => void): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#body !== undefined) {
        at = this.#fillBody(chunk, at, onFrame);
        continue;
      }
      const missing = FRAME_HEADER_BYTES - this.#headerFill;
      const header = chunk.subarray(at, at + missing);
      this.#header.set(header, this.#headerFill);
      this.#headerFill += header.length;
      at += header.length;
      if (this.#headerFill < FRAME_HEADER_BYTES) return;
      this.#bodyBytes = this.#readLength();
      this.#headerFill = 0;
      const end = at + this.#bodyBytes;
      if (end <= chunk.length) {
        onFrame(chunk.subarray(at, end));
        at = end;
      } else {
        this.#body = new Uint8Array(Math.min(this.#bodyBytes, FIRST_ALLOCATION_BYTES));
        this.#bodyFill = 0;
      }
    }
  }

  #readLength(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#header;
    const bytes = a * 0x1000000 + b * 0x10000 + c * 0x100 + d;
    if (bytes > 0 && bytes <= this.bytesMax) return bytes;
    this.stop();
    if (bytes === 0) throw new FrameError("FRAME_EMPTY", "a frame of length 0");
    const text = `a frame of ${bytes} bytes, where at most ${this.bytesMax} are accepted`;
    throw new FrameError("FRAME_TOO_LARGE", text);
  }

  /** Memory follows what has arrived, doubling: a header alone never costs its length. */
  #fillBody(chunk: Uint8Array, at: number, onFrame: (body: Uint8Array) => void): number {
    const part = chunk.subarray(at, at + this.#bodyBytes - this.#bodyFill);
    const needed = this.#bodyFill + part.length;
    let body = this.#body as Uint8Array;
    if (needed > body.length) {
      const grown = new Uint8Array(Math.min(this.#bodyBytes, Math.max(needed, body.length * 2)));
      grown.set(body.subarray(0, this.#bodyFill));
      body = grown;
      this.#body = grown;
    }
    body.set(part, this.#bodyFill);
    this.#bodyFill = needed;
    if (needed === this.#bodyBytes) {
      this.#body = undefined;
      onFrame(body);
    }
    return at + part.length;
  }
}

/** The 4 bytes before a body of that length. */
export function writeFrameHeader(target: Uint8Array, bodyBytes: number): void {
  target[0] = bodyBytes >>> 24;
  target[1] = bodyBytes >>> 16;
  target[2] = bodyBytes >>> 8;
  target[3] = bodyBytes;
}

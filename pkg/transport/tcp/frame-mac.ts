import { createHash, createHmac, timingSafeEqual } from "node:crypto";

export const MAC_BYTES = 32;
const COUNTER_BYTES = 8;

/** What both sides said in the open, as one hash that every proof and key depends on. */
export function transcriptOf(hello: Uint8Array, reply: Uint8Array): Uint8Array {
  const first = createHash("sha256").update(hello).digest();
  return createHash("sha256").update(first).update(reply).digest();
}

export function derive(secret: Uint8Array, purpose: string, transcript: Uint8Array): Buffer {
  return createHmac("sha256", secret)
    .update(`nornic transport 1 ${purpose}\n`)
    .update(transcript)
    .digest();
}

/** Compares in constant time; different lengths are different at once. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** One direction of one connection: HMAC-SHA256 over the frame's number and its JSON. */
export class FrameMac {
  readonly #key: Uint8Array;
  readonly #counter = Buffer.alloc(COUNTER_BYTES);
  #frames = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  #digest(json: Uint8Array): Buffer {
    this.#counter.writeUIntBE(this.#frames, 2, 6);
    this.#frames += 1;
    return createHmac("sha256", this.#key).update(this.#counter).update(json).digest();
  }

  /** Fills the last bytes of `body` with the MAC of what stands before them. */
  seal(body: Uint8Array): void {
    const end = body.length - MAC_BYTES;
    body.set(this.#digest(body.subarray(0, end)), end);
  }

  /** @returns the JSON, or undefined for a frame that is forged, repeated, lost or out of order */
  open(body: Uint8Array): Uint8Array | undefined {
    const end = body.length - MAC_BYTES;
    if (end <= 0) return undefined;
    const json = body.subarray(0, end);
    return sameBytes(this.#digest(json), body.subarray(end)) ? json : undefined;
  }
}

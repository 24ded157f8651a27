import {
  createCipheriv,
  createHash,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";

export const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;

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

/**
 * One direction of one connection: AES-256-GMAC with the record's number as its nonce. A key
 * serves one direction of one connection, so that no number is ever used twice with it.
 */
export class Seal {
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  #records = 0;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  #tag(text: Uint8Array): Buffer {
    this.#nonce.writeUIntBE(this.#records, NONCE_BYTES - 6, 6);
    this.#records += 1;
    const cipher = createCipheriv(CIPHER, this.#key, this.#nonce);
    cipher.setAAD(text);
    cipher.final();
    return cipher.getAuthTag();
  }

  /** Fills the last bytes of `record` with the tag of what stands before them. */
  close(record: Uint8Array): void {
    const end = record.length - TAG_BYTES;
    record.set(this.#tag(record.subarray(0, end)), end);
  }

  /** @returns what was sealed; undefined if it is forged, repeated, lost before or out of order */
  open(record: Uint8Array): Uint8Array | undefined {
    const end = record.length - TAG_BYTES;
    if (end <= 0) return undefined;
    const text = record.subarray(0, end);
    return sameBytes(this.#tag(text), record.subarray(end)) ? text : undefined;
  }
}

import { invariant } from "../../base/index.js";
import { encodeRecord, RECORD_BYTES } from "./format.js";
import { LOG_LIMITS } from "./limits.js";

const FIRST_BYTES = 1024 * 1024;

/** Records on their way to the file, in one buffer that is used again and again. */
export class RecordBatch {
  #bytes = new Uint8Array(FIRST_BYTES);
  #target = { bytes: this.#bytes, view: new DataView(this.#bytes.buffer) };
  #used = 0;

  get usedBytes(): number {
    return this.#used;
  }

  clear(): void {
    this.#used = 0;
  }

  /** @returns the bytes gathered, valid until the next `add` or `clear` */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  /** @returns where in the batch the record begins */
  add(
    type: number,
    index: number,
    term: number,
    durableBytes: number,
    payload: Uint8Array,
  ): number {
    const at = this.#used;
    const needed = at + RECORD_BYTES + payload.length;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#used = encodeRecord(this.#target, at, type, index, term, durableBytes, payload);
    return at;
  }

  #grow(needed: number): void {
    invariant(
      needed <= LOG_LIMITS.payloadBytesMax + LOG_LIMITS.writeBytesMax + RECORD_BYTES,
      "a batch is written out before it outgrows its bound",
    );
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.bytes());
    this.#bytes = bytes;
    this.#target = { bytes, view: new DataView(bytes.buffer) };
  }
}

import type { ActiveSegment } from "./active-segment.js";
import { LOG_LIMITS } from "./limits.js";
import type { RecordBatch } from "./record-batch.js";

const CHECKSUM_BYTES = 4;

/**
 * The records of one append on their way to a segment: all of them or none, also after a power cut.
 * They are written with the first checksum inverted, which is put right last and in place. Should
 * the disk be full before that, recovery finds no first record and cuts all that lies behind it, so
 * what was refused cannot come back.
 */
export class SegmentAppend {
  readonly #segment: ActiveSegment;
  readonly #batch: RecordBatch;
  readonly #checksum = new Uint8Array(CHECKSUM_BYTES);
  #end: number;

  /** @param batch - used from its start on; it belongs to this append until `finish` is over */
  constructor(segment: ActiveSegment, batch: RecordBatch) {
    this.#segment = segment;
    this.#batch = batch;
    this.#end = segment.sizeBytes;
    batch.clear();
  }

  /** @returns where in the segment the record begins */
  add(type: number, index: number, term: number, payload: Uint8Array): number {
    const batch = this.#batch;
    if (batch.usedBytes > 0 && batch.usedBytes + payload.length > LOG_LIMITS.writeBytesMax) {
      this.#flush();
    }
    return this.#end + batch.add(type, index, term, this.#segment.durableBytes, payload);
  }

  /** @throws the error of the file; then nothing was added, whatever lies behind the segment's end */
  finish(): void {
    const { file, sizeBytes } = this.#segment;
    this.#flush();
    try {
      file.write(this.#checksum, sizeBytes);
    } catch (error) {
      const found = new Uint8Array(CHECKSUM_BYTES);
      file.read(found, sizeBytes);
      if (found.some((byte, i) => byte !== this.#checksum[i])) throw error;
    }
    this.#segment.sizeBytes = this.#end;
  }

  #flush(): void {
    const bytes = this.#batch.bytes();
    if (this.#end === this.#segment.sizeBytes) {
      this.#checksum.set(bytes.subarray(0, CHECKSUM_BYTES));
      for (let i = 0; i < CHECKSUM_BYTES; i += 1) bytes[i] = ~(bytes[i] as number);
    }
    this.#segment.file.write(bytes, this.#end);
    this.#end += bytes.length;
    this.#batch.clear();
  }
}

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { SnapshotReader } from "../ports/index.js";

/** A piece of the content, ready to be sent. */
export interface SourceChunk {
  readonly bytes: Uint8Array;
  readonly crc: number;
  /** CRC32 of the content up to the end of this piece. */
  readonly sum: number;
}

/** Cuts what a reader gives into chunks of one length, and sums it up. */
export class ChunkSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #sizeBytes: number;
  readonly #chunkBytes: number;
  readonly #hash = createHash("sha256");
  #rest: Uint8Array = new Uint8Array(0);
  #given = 0;
  #sum = 0;

  constructor(reader: SnapshotReader, chunkBytes: number) {
    this.#pieces = reader.chunks()[Symbol.asyncIterator]();
    this.#sizeBytes = reader.sizeBytes;
    this.#chunkBytes = chunkBytes;
  }

  /** SHA-256 of all that was given so far, in hexadecimal. */
  sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  /**
   * The next chunk; one call at a time.
   * @throws Error when the reader fails, ends early, or after the last chunk has more
   */
  async next(): Promise<SourceChunk> {
    const bytes = await this.#take(Math.min(this.#chunkBytes, this.#sizeBytes - this.#given));
    this.#given += bytes.length;
    if (this.#given === this.#sizeBytes && !(await this.#ended())) {
      throw new Error("the snapshot is longer than it said");
    }
    this.#hash.update(bytes);
    this.#sum = crc32(bytes, this.#sum);
    return { bytes, crc: crc32(bytes), sum: this.#sum };
  }

  /** Lets the reader go, wherever it stands. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #take(length: number): Promise<Uint8Array> {
    const parts = this.#rest.length > 0 ? [this.#rest] : [];
    let have = this.#rest.length;
    while (have < length) {
      const next = await this.#pieces.next();
      if (next.done) throw new Error("the snapshot is shorter than it said");
      parts.push(next.value);
      have += next.value.length;
    }
    const all = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts, have);
    this.#rest = all.subarray(length);
    return all.subarray(0, length);
  }

  async #ended(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#pieces.next();
      if (next.done) return true;
      this.#rest = next.value;
    }
    return false;
  }
}

import type { File } from "../../../runtime/index.js";

const READ_BYTES = 256 * 1024;

/** Lines of a file, one after the other, without holding all of it. */
export class LineReader {
  readonly #file: File;
  #position = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: File) {
    this.#file = file;
  }

  /** @returns the next line without its end, undefined after the last; what has no end is none */
  next(): string | undefined {
    const pieces: Buffer[] = [];
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        pieces.push(this.#rest.subarray(0, end));
        this.#rest = this.#rest.subarray(end + 1);
        return Buffer.concat(pieces).toString("utf8");
      }
      pieces.push(this.#rest);
      const chunk = Buffer.alloc(READ_BYTES);
      const bytes = this.#file.read(chunk, this.#position);
      this.#position += bytes;
      this.#rest = chunk.subarray(0, bytes);
      if (bytes === 0) return undefined;
    }
  }
}

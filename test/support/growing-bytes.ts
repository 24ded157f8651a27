/** Bytes that grow in place; what is cut off reads as zeros when the size grows again. */
export class GrowingBytes {
  #buffer: Uint8Array;
  #size: number;

  constructor(content: Uint8Array = new Uint8Array(0)) {
    this.#buffer = content.slice();
    this.#size = content.length;
  }

  get size(): number {
    return this.#size;
  }

  /** The content itself, not a copy. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  patch(position: number, bytes: Uint8Array): void {
    if (position + bytes.length > this.#size) this.resize(position + bytes.length);
    this.#buffer.set(bytes, position);
  }

  resize(size: number): void {
    if (size < this.#size) this.#buffer.fill(0, size, this.#size);
    if (size > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(size, this.#buffer.length * 2, 4096));
      grown.set(this.bytes());
      this.#buffer = grown;
    }
    this.#size = size;
  }
}

/** Running hash over what happened in a simulated run: equal runs end in equal digests. */
export class TraceHash {
  #high = 0x6a09e667;
  #low = 0xbb67ae85;
  #notes = 0;

  /** Number of notes taken so far. */
  get notes(): number {
    return this.#notes;
  }

  /** Takes down one happening: a constant name and the numbers or texts that belong to it. */
  note(event: string, ...details: readonly (string | number | boolean)[]): void {
    this.#notes += 1;
    this.#text(event);
    for (const detail of details) this.#text(typeof detail === "string" ? detail : `${detail}`);
  }

  noteBytes(event: string, bytes: Uint8Array): void {
    this.note(event, bytes.length);
    for (const byte of bytes) this.#mix(byte);
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high ^ (this.#low >>> 15)) + hex(this.#low ^ (this.#high >>> 13));
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i += 1) this.#mix(text.charCodeAt(i));
    this.#mix(0x10001);
  }

  #mix(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 2654435761);
    this.#low = Math.imul(this.#low ^ value, 1597334677);
    this.#high ^= this.#low >>> 16;
    this.#low ^= this.#high >>> 15;
  }
}

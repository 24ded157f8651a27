import type { Entry } from "../../replication/ports/index.js";
import type { Gathering } from "./entry-reader.js";
import { LOG_LIMITS } from "./limits.js";

/** The newest entries, without gaps up to the last one, bounded in bytes and in number. */
export class EntryTail {
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #first = 0;
  #bytes = 0;

  /** Index of the oldest entry held; above every index when none is. */
  get first(): number {
    return this.#head < this.#entries.length ? this.#first : Number.MAX_SAFE_INTEGER;
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  push(entry: Entry): void {
    if (this.#head === this.#entries.length) this.#first = entry.index;
    this.#entries.push(entry);
    this.#bytes += entry.payload.length;
    while (
      this.#bytes > LOG_LIMITS.tailBytesMax ||
      this.#entries.length - this.#head > LOG_LIMITS.tailEntriesMax
    ) {
      this.#dropOldest();
    }
    if (this.#head > LOG_LIMITS.tailEntriesMax) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Adds entries until `to` or the byte limit; `from` is not below `first`. */
  gather(from: number, to: number, into: Gathering): void {
    for (let index = from; index <= to; index += 1) {
      const entry = this.#entries[this.#head + index - this.#first] as Entry;
      if (entry.payload.length > into.bytesLeft && into.entries.length > 0) return;
      into.bytesLeft -= entry.payload.length;
      into.entries.push(entry);
    }
  }

  truncate(from: number): void {
    while (this.#entries.length > this.#head) {
      const entry = this.#entries.at(-1) as Entry;
      if (entry.index < from) return;
      this.#bytes -= entry.payload.length;
      this.#entries.pop();
    }
    this.clear();
  }

  #dropOldest(): void {
    this.#bytes -= this.#entries[this.#head]?.payload.length ?? 0;
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    this.#first += 1;
  }
}

import { join } from "node:path";
import type { LogIndex, Term } from "../../base/index.js";
import type { Entry } from "../../replication/ports/index.js";
import type { File, FileSystem } from "../../runtime/index.js";
import { entryKind, RECORD_BYTES } from "./format.js";
import { LOG_LIMITS } from "./limits.js";
import type { LogMap } from "./log-map.js";
import { ScanBuffer, scanRecords } from "./segment-scan.js";
import { damaged } from "./walk-log.js";

/** What a reader gathers; `bytesLeft` may go below zero by the first entry. */
export interface Gathering {
  readonly entries: Entry[];
  bytesLeft: number;
}

/** Reads entries back from the segments, checking each, with one file open and one buffer. */
export class EntryReader {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #nameOf: (sequence: number) => string;
  readonly #buffer = new ScanBuffer(LOG_LIMITS.readBytes);
  #open: { readonly sequence: number; readonly file: File } | undefined;
  /** Where the last reading ended: streaming a log to a peer goes on from there. */
  #cursor = { sequence: 0, index: 0, offset: 0 };

  constructor(fileSystem: FileSystem, directory: string, nameOf: (sequence: number) => string) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#nameOf = nameOf;
  }

  /**
   * Reads from `from` up to `to`, the end of its run, or the byte limit.
   * @returns the first index not looked at, or undefined when the byte limit was met
   * @throws LogError `LOG_DAMAGED`
   */
  gather(map: LogMap, from: number, to: number, into: Gathering): number | undefined {
    const place = map.locate(from);
    const last = Math.min(to, place.lastInRun);
    const { sequence } = place;
    let next = place.index;
    let start = place.offset;
    const cursor = this.#cursor;
    if (cursor.sequence === sequence && cursor.index <= from && cursor.index > next) {
      next = cursor.index;
      start = cursor.offset;
    }
    let full = false;
    let resume = start;
    const end = scanRecords(this.#file(sequence), this.#buffer, start, (record) => {
      const kind = entryKind(record.type);
      if (kind === undefined) return true;
      if (record.index !== next || next > last) return false;
      if (next >= from) {
        if (record.payload.length > into.bytesLeft && into.entries.length > 0) {
          full = true;
          resume = record.offset;
          return false;
        }
        into.bytesLeft -= record.payload.length;
        into.entries.push({
          index: record.index as LogIndex,
          term: record.term as Term,
          kind,
          payload: record.payload.slice(),
        });
      }
      next += 1;
      resume = record.offset + RECORD_BYTES + record.payload.length;
      return next <= last;
    });
    if (full || next > last) {
      this.#cursor = { sequence, index: next, offset: resume };
      return full ? undefined : next;
    }
    throw damaged(this.#nameOf(sequence), end, `entry ${next} is not there any more`);
  }

  /** Forgets open files and positions; segments may be gone afterwards. */
  forget(): void {
    this.#open?.file.close();
    this.#open = undefined;
    this.#cursor = { sequence: 0, index: 0, offset: 0 };
  }

  #file(sequence: number): File {
    if (this.#open?.sequence !== sequence) {
      this.forget();
      const path = join(this.#directory, this.#nameOf(sequence));
      this.#open = { sequence, file: this.#fileSystem.open(path, "read") };
    }
    return this.#open.file;
  }
}

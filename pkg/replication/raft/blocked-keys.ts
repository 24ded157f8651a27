import { type LogIndex, NO_POSITION, type Position } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";

/** What a command writes, as far as its payload says. */
export interface WrittenKeys {
  /** Empty: it has none. */
  readonly requestId: string;
  /** A thing's kind, a colon and its id; see `ComparableContent`. */
  readonly keys: readonly string[];
}

/** Pure; a payload that cannot be understood writes nothing. */
export type KeysOf = (payload: Uint8Array) => WrittenKeys;

export interface BlockedKeysParts {
  readonly log: Pick<LogStore, "last" | "read" | "termAt">;
  readonly keysOf: KeysOf;
  commit(): LogIndex;
}

/** Payload that is read from the log in one piece, in bytes. */
const PIECE_BYTES_MAX = 1024 * 1024;
/** Entries of committed writes that may stay behind before they are swept. */
const STALE_MAX = 1_024;

/**
 * The keys that the uncommitted tail of the log writes. Nothing is done for a write: the tail is
 * looked through when somebody asks, each entry of it once. What counts is what the log holds, so
 * a new leader blocks what the old one had blocked, and what was cut blocks nothing.
 */
export class BlockedKeys {
  readonly #parts: BlockedKeysParts;
  /** The newest entry seen that writes the key. */
  readonly #byKey = new Map<string, LogIndex>();
  readonly #byRequest = new Map<string, LogIndex>();
  #scanned: Position = NO_POSITION;

  constructor(parts: BlockedKeysParts) {
    this.#parts = parts;
  }

  /** Names that are kept, those of committed entries included. */
  get size(): number {
    return this.#byKey.size + this.#byRequest.size;
  }

  /** @returns the newest uncommitted entry that writes the key; undefined: it is not blocked */
  by(key: string): LogIndex | undefined {
    this.#scan();
    return this.#uncommitted(this.#byKey.get(key));
  }

  /**
   * @returns a key of this write that an earlier, uncommitted one writes; undefined: none, or the
   * write itself is what waits there
   */
  blocking(payload: Uint8Array): string | undefined {
    const { requestId, keys } = this.#parts.keysOf(payload);
    this.#scan();
    const itself = requestId === "" ? undefined : this.#byRequest.get(requestId);
    if (this.#uncommitted(itself) !== undefined) return undefined;
    return keys.find((key) => this.#uncommitted(this.#byKey.get(key)) !== undefined);
  }

  #uncommitted(index: LogIndex | undefined): LogIndex | undefined {
    return index !== undefined && index > this.#parts.commit() ? index : undefined;
  }

  #scan(): void {
    const { log, keysOf } = this.#parts;
    const commit = this.#parts.commit();
    this.#forget(commit);
    let from = Math.max(this.#scanned.index, commit) + 1;
    while (from <= log.last.index) {
      const entries = log.read(from as LogIndex, log.last.index, PIECE_BYTES_MAX);
      for (const { index, kind, payload } of entries) {
        if (kind !== "command") continue;
        const { requestId, keys } = keysOf(payload);
        for (const key of keys) this.#byKey.set(key, index);
        if (requestId !== "") this.#byRequest.set(requestId, index);
      }
      from += entries.length;
    }
    this.#scanned = log.last;
  }

  /** What another leader's entries have replaced counts no more, and what is committed is dropped. */
  #forget(commit: LogIndex): void {
    const { log } = this.#parts;
    const { index, term } = this.#scanned;
    if (index <= commit || index > log.last.index || log.termAt(index) !== term) {
      this.#byKey.clear();
      this.#byRequest.clear();
      this.#scanned = NO_POSITION;
      return;
    }
    for (const map of [this.#byKey, this.#byRequest]) {
      if (map.size <= 2 * (index - commit) + STALE_MAX) continue;
      for (const [name, at] of map) if (at <= commit) map.delete(name);
    }
  }
}

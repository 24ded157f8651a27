import type { Replicator, ReplicatorEvent } from "../replication/index.js";

/** The last events of this node since it started, oldest first, each numbered from 1. */
export interface HistoryEntry {
  readonly sequence: number;
  readonly event: ReplicatorEvent;
}

/** Keeps the newest events, up to a bound. */
export class History {
  readonly #entriesMax: number;
  readonly #entries: HistoryEntry[] = [];
  #sequence = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  /** @returns how to stop recording */
  record(replicator: Replicator): () => void {
    return replicator.onEvent((event) => {
      this.#sequence += 1;
      this.#entries.push({ sequence: this.#sequence, event });
      if (this.#entries.length > this.#entriesMax) this.#entries.shift();
    });
  }

  entries(): readonly HistoryEntry[] {
    return this.#entries.slice();
  }
}

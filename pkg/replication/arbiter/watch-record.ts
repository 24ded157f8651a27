import type { Cancel, Timers } from "../../runtime/index.js";
import type { LeaseRecord } from "../ports/index.js";
import { sameRecord } from "./lease.js";

export interface RecordSource {
  read(): Promise<LeaseRecord>;
  /**
   * Resolves when the record may no longer be `known`, early or late; rejects when that cannot be
   * told now.
   */
  untilChange(known: LeaseRecord, stop: AbortSignal): Promise<void>;
  readonly timers: Timers;
  /** Between a failure and the next attempt. */
  readonly retryMs: number;
}

/** Tells of the record as it is, and of every change that is seen, until it is stopped. */
export class RecordWatch {
  readonly #source: RecordSource;
  readonly #onChange: (record: LeaseRecord) => void;
  readonly #stop = new AbortController();
  #told: LeaseRecord | undefined;
  #cancelPause: Cancel = () => {};

  constructor(source: RecordSource, onChange: (record: LeaseRecord) => void) {
    this.#source = source;
    this.#onChange = onChange;
    void this.#round();
  }

  stop(): void {
    this.#stop.abort();
    this.#cancelPause();
  }

  async #round(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const record = await this.#source.read();
        if (signal.aborted) return;
        this.#tell(record);
        await this.#source.untilChange(record, signal);
      } catch {
        if (signal.aborted) return;
        this.#cancelPause = this.#source.timers.after(this.#source.retryMs, () => {
          void this.#round();
        });
        return;
      }
    }
  }

  #tell(record: LeaseRecord): void {
    if (this.#told !== undefined && sameRecord(this.#told, record)) return;
    this.#told = record;
    this.#onChange(record);
  }
}

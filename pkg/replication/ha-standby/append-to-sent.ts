import type { LogIndex } from "../../base/index.js";
import type { Clock, Histogram, Metrics } from "../../runtime/index.js";

/** Appends that wait to be sent; of more, the newest count as old as the last one kept. */
const MARKS_MAX = 1_024;
const SECONDS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

/** How long entries lie in the primary's log before they first leave for a standby. */
export class AppendToSent {
  readonly #clock: Clock;
  readonly #seconds: Histogram;
  /** Ascending, above `#sent`: the log ended at `last` from `atMs` on. */
  readonly #marks: { last: LogIndex; readonly atMs: number }[] = [];
  /** The last entry that has left, or that nobody was there to be sent. */
  #sent = 0;

  constructor(parts: { readonly metrics: Metrics; readonly clock: Clock }) {
    this.#clock = parts.clock;
    this.#seconds = parts.metrics.histogram(
      "nornicdb_ha_append_to_sent_seconds",
      "From the append of entries to the moment that their first batch left for a standby",
      SECONDS,
    );
  }

  /** The primary's log ends at `last` now. */
  appended(last: LogIndex): void {
    const newest = this.#marks.at(-1);
    if (last <= (newest?.last ?? this.#sent)) return;
    if (newest !== undefined && this.#marks.length >= MARKS_MAX) newest.last = last;
    else this.#marks.push({ last, atMs: this.#clock.monotonicMs() });
  }

  /** No standby is in sync, or this node is no primary: what is in the log up to `last` is not counted. */
  skip(last: LogIndex): void {
    this.#marks.length = 0;
    this.#sent = last;
  }

  /** Sends a batch that ends at `last`. */
  sending(last: number, send: () => void): void {
    if (last <= this.#sent) {
      send();
      return;
    }
    const sinceMs = this.#marks[0]?.atMs ?? this.#clock.monotonicMs();
    send();
    this.#sent = last;
    while (this.#marks[0] !== undefined && this.#marks[0].last <= last) this.#marks.shift();
    this.#seconds.observe((this.#clock.monotonicMs() - sinceMs) / 1000);
  }
}

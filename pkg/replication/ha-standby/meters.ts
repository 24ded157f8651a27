import type { NodeId } from "../../base/index.js";
import type { Clock, Counter, Gauge, Metrics } from "../../runtime/index.js";
import type { LogStore } from "../ports/index.js";
import { AppendToSent } from "./append-to-sent.js";
import type { HaState } from "./core/state.js";
import { lagBytes } from "./health.js";
import type { WalBatch } from "./messages.js";

export interface HaMetersParts {
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: LogStore;
  nameOf(id: NodeId): NodeId;
}

/** What is counted of a pair beyond what every mode counts. */
export class HaMeters {
  readonly #parts: HaMetersParts;
  readonly #failovers: Counter;
  readonly #lagEntries: Gauge;
  readonly #lagBytes: Gauge;
  readonly #appendToSent: AppendToSent;
  #wasPrimary: boolean | undefined;
  #lag = 0;
  /** When this standby last had all that its primary had told of. */
  #evenMs: number;

  constructor(parts: HaMetersParts) {
    const { metrics, clock } = parts;
    this.#parts = parts;
    this.#appendToSent = new AppendToSent(parts);
    this.#evenMs = clock.monotonicMs();
    this.#failovers = metrics.counter(
      "nornicdb_failovers_total",
      "Times that this node became primary since it started",
      ["reason"],
    );
    this.#lagEntries = metrics.gauge(
      "nornicdb_standby_lag_entries",
      "Entries of the primary's log that a standby has not acknowledged",
      ["peer"],
    );
    this.#lagBytes = metrics.gauge(
      "nornicdb_replication_lag_bytes",
      "Those entries' bytes, by the mean size of what the log holds",
      ["peer"],
    );
  }

  /** After every step. */
  follow(lead: HaState["lead"], lagEntries: number): void {
    const { last } = this.#parts.log;
    if (lead === null || lead.inSync.length === 0) this.#appendToSent.skip(last.index);
    else this.#appendToSent.appended(last.index);
    this.#lag = lagEntries;
    if (lagEntries === 0) this.#evenMs = this.#parts.clock.monotonicMs();
    if (lead !== null && this.#wasPrimary === false) {
      this.#failovers.add(1, { reason: lead.ticket === null ? "automatic" : "order" });
    }
    this.#wasPrimary = lead !== null;
  }

  /** Sends a batch, and counts how long its entries had waited. */
  sending({ prev, entries }: WalBatch, send: () => void): void {
    this.#appendToSent.sending(prev.index + entries.length, send);
  }

  /** For how long this node has lacked something, in milliseconds. */
  lagMs(): number {
    return this.#lag === 0 ? 0 : this.#parts.clock.monotonicMs() - this.#evenMs;
  }

  /** Now and then. */
  measure({ lead }: HaState): void {
    const { log, nameOf } = this.#parts;
    for (const [id, { progress }] of lead?.peers ?? []) {
      const peer = nameOf(id);
      this.#lagEntries.set(Math.max(0, log.last.index - progress.match), { peer });
      this.#lagBytes.set(lagBytes(log, progress.match), { peer });
    }
  }
}

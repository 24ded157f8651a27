import type { NodeId } from "../../base/index.js";
import type { Clock, Counter, Gauge, Metrics } from "../../runtime/index.js";
import type { LogStore } from "../ports/index.js";
import { AppendToSent } from "./append-to-sent.js";
import type { HaState } from "./core/state.js";
import type { HaCore } from "./core/step.js";
import { lagBytes } from "./health.js";
import type { WalBatch } from "./messages.js";

export interface HaMetersParts {
  readonly core: HaCore;
  readonly timing: { readonly tickMs: number };
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
  readonly #lagSeconds: Gauge;
  readonly #lagBytes: Gauge;
  readonly #appendToSent: AppendToSent;
  #wasPrimary: boolean | undefined;
  readonly #told = new Set<NodeId>();
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
    this.#lagSeconds = metrics.gauge(
      "nornicdb_standby_lag_seconds",
      "For how long a standby has lacked something of the primary's log",
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

  /** Now and then. Of standbys that are another's now nothing is told. */
  measure(state: HaState): void {
    const { core, log, nameOf, timing } = this.#parts;
    const { standbys } = core.view(state);
    if (standbys.length === 0) this.#forget();
    for (const { id, durable, lagEntries, lagTicks } of standbys) {
      const peer = nameOf(id);
      this.#told.add(peer);
      this.#lagEntries.set(lagEntries, { peer });
      this.#lagSeconds.set((lagTicks * timing.tickMs) / 1000, { peer });
      this.#lagBytes.set(lagBytes(log, durable), { peer });
    }
  }

  #forget(): void {
    for (const peer of this.#told) {
      for (const gauge of [this.#lagEntries, this.#lagSeconds, this.#lagBytes])
        gauge.forget({ peer });
    }
    this.#told.clear();
  }
}

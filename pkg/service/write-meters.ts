import { ReplicationError } from "../replication/index.js";
import type { Clock, Counter, Histogram, Metrics } from "../runtime/index.js";

const BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const OUTCOMES = ["applied", "replayed", "refused", "unknown"] as const;
type WriteOutcome = (typeof OUTCOMES)[number];

/**
 * How writes end and how long they take, from the call to the answer. Ends are counted in plain
 * numbers and reach the counter when `publish` is called, which is before each scrape.
 */
export class WriteMeters {
  readonly #clock: Clock;
  readonly #total: Counter;
  readonly #seconds: Histogram;
  readonly #ended: Record<WriteOutcome, number> = {
    applied: 0,
    replayed: 0,
    refused: 0,
    unknown: 0,
  };

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    this.#total = metrics.counter("nornicdb_proposals_total", "Writes that ended, and how", [
      "outcome",
    ]);
    this.#seconds = metrics.histogram(
      "nornicdb_commit_duration_seconds",
      "From the call of a write to its acknowledgement",
      BUCKETS_SECONDS,
    );
    this.publish();
  }

  now(): number {
    return this.#clock.monotonicMs();
  }

  acknowledged(sinceMs: number, replayed: boolean): void {
    this.#ended[replayed ? "replayed" : "applied"] += 1;
    this.#seconds.observe((this.#clock.monotonicMs() - sinceMs) / 1000);
  }

  failed(error: unknown): void {
    const refused = error instanceof ReplicationError && error.outcome === "not_applied";
    this.#ended[refused ? "refused" : "unknown"] += 1;
  }

  publish(): void {
    for (const outcome of OUTCOMES) {
      this.#total.add(this.#ended[outcome], { outcome });
      this.#ended[outcome] = 0;
    }
  }
}

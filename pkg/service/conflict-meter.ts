import type { Metrics } from "../runtime/index.js";
import type { ConflictReads } from "../storage/index.js";

/** Counts conflicts between regions that came up on this node since it started. */
export class ConflictMeter {
  readonly #storage: Pick<ConflictReads, "conflictNews">;
  readonly #total;
  #counted = 0;

  constructor(storage: Pick<ConflictReads, "conflictNews">, metrics: Metrics) {
    this.#storage = storage;
    this.#total = metrics.counter(
      "nornicdb_conflicts_total",
      "Conflicts between regions that came up since this node started",
      ["strategy"],
    );
  }

  /** Call before metrics are read. */
  async count(): Promise<void> {
    const { total, strategy } = await this.#storage.conflictNews(this.#counted);
    if (strategy === undefined) return;
    this.#total.add(total - this.#counted, { strategy });
    this.#counted = total;
  }
}

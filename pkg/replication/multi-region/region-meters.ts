import type { Gauge, Metrics } from "../../runtime/index.js";
import type { RegionHealth } from "../replicator.js";

/** What a region's leader measures of the others; a node that does not lead tells nothing. */
export class RegionMeters {
  readonly #gauges: {
    readonly entries: Gauge;
    readonly bytes: Gauge;
    readonly seconds: Gauge;
    readonly clock: Gauge;
    readonly streaming: Gauge;
  };
  readonly #told = new Set<string>();

  constructor(metrics: Metrics) {
    const gauge = (name: string, help: string) =>
      metrics.gauge(`nornicdb_region_${name}`, help, ["region"]);
    this.#gauges = {
      entries: gauge("lag_entries", "Changes of this region that another is not known to contain"),
      bytes: gauge("lag_bytes", "Those changes' bytes, by the mean size of what was sent"),
      seconds: gauge("lag_seconds", "For how long the oldest of those changes has been there"),
      clock: gauge("clock_ahead_seconds", "How far a region's clock is beyond what is allowed for"),
      streaming: gauge("streaming", "1 while another region answers and takes changes"),
    };
  }

  measure(regions: readonly RegionHealth[]): void {
    for (const { region, state, lagEntries, lagBytes, lagMs, clockAheadMs } of regions) {
      this.#told.add(region);
      this.#gauges.entries.set(lagEntries, { region });
      if (lagBytes !== null) this.#gauges.bytes.set(lagBytes, { region });
      this.#gauges.seconds.set(lagMs / 1000, { region });
      this.#gauges.clock.set(clockAheadMs / 1000, { region });
      this.#gauges.streaming.set(state === "streaming" || state === "waiting" ? 1 : 0, { region });
    }
  }

  /** This node leads no more. */
  forget(): void {
    for (const region of this.#told) {
      for (const gauge of Object.values(this.#gauges)) gauge.forget({ region });
    }
    this.#told.clear();
  }
}

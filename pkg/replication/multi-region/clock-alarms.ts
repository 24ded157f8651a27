import type { RegionId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";

/** While it goes on, it is said again this often, in milliseconds. */
const AGAIN_MS = 60_000;

export interface ClockAlarmsParts {
  readonly clock: Clock;
  note(event: "region_clock_ahead" | "region_clock_back", region: RegionId, reason: string): void;
}

/** MR-46: which other regions' clocks are too far ahead, by the changes that came last. */
export class ClockAlarms {
  readonly #parts: ClockAlarmsParts;
  readonly #ahead = new Map<RegionId, { ms: number; saidAtMs: number }>();

  constructor(parts: ClockAlarmsParts) {
    this.#parts = parts;
  }

  /** In milliseconds beyond what is allowed for. */
  of(region: RegionId): number {
    return this.#ahead.get(region)?.ms ?? 0;
  }

  /** Changes of the region were taken. */
  heard(region: RegionId, aheadMs: number): void {
    const before = this.#ahead.get(region);
    const nowMs = this.#parts.clock.monotonicMs();
    if (aheadMs > 0) {
      const isDue = before === undefined || nowMs - before.saidAtMs >= AGAIN_MS;
      const saidAtMs = isDue ? nowMs : before.saidAtMs;
      this.#ahead.set(region, { ms: aheadMs, saidAtMs });
      const reason = `by ${aheadMs} ms; set it right, its writes win against later ones of others`;
      if (isDue) this.#parts.note("region_clock_ahead", region, reason);
    } else if (before !== undefined) {
      this.#ahead.delete(region);
      this.#parts.note("region_clock_back", region, "");
    }
  }
}

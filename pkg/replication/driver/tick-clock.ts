import type { Clock } from "../../runtime/index.js";

export interface TickClockParts {
  readonly clock: Clock;
  /** One tick, in milliseconds. */
  readonly tickMs: number;
  /** Nobody having looked for longer, in milliseconds, is a stall. */
  readonly stallMs: number;
}

/**
 * Counts the ticks of the monotonic clock. Timers of a busy process come late: were each of them one
 * tick, a leader's lease would last longer than it promises, and elections, too (RA-15).
 */
export class TickClock {
  readonly #parts: TickClockParts;
  #seenMs: number;
  #tickedMs: number;

  constructor(parts: TickClockParts) {
    this.#parts = parts;
    this.#seenMs = parts.clock.monotonicMs();
    this.#tickedMs = this.#seenMs;
  }

  /** From now on, whatever passed before. */
  restart(): void {
    this.#seenMs = this.#parts.clock.monotonicMs();
    this.#tickedMs = this.#seenMs;
  }

  /** Call before everything that depends on time. @returns the ticks since the last call */
  advance(): number | "stalled" {
    const { clock, tickMs, stallMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    const gapMs = nowMs - this.#seenMs;
    this.#seenMs = nowMs;
    if (gapMs > stallMs) {
      this.#tickedMs = nowMs;
      return "stalled";
    }
    const ticks = Math.floor((nowMs - this.#tickedMs) / tickMs);
    this.#tickedMs += ticks * tickMs;
    return ticks;
  }
}

import { invariant, parseRegionId, type RegionId } from "../../base/index.js";

/**
 * When a write was made, by the hybrid clock of the region that made it. No two writes have the
 * same one: a region's clock never repeats a reading, and the region's name is part of it.
 */
export interface Stamp {
  readonly ms: number;
  readonly counter: number;
  readonly origin: RegionId;
}

export const COUNTER_MAX = 999_999;
const TEXT = /^(\d{16})\.(\d{6})\.(.+)$/;

/** A total order: milliseconds, counter, region. The same everywhere, also for equal times. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.ms !== b.ms) return a.ms - b.ms;
  if (a.counter !== b.counter) return a.counter - b.counter;
  return a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0;
}

/** As text that sorts as the stamps do, with nothing a double would round. */
export function stampText({ ms, counter, origin }: Stamp): string {
  return `${String(ms).padStart(16, "0")}.${String(counter).padStart(6, "0")}.${origin}`;
}

/** @returns undefined for a text that `stampText` did not make */
export function parseStamp(text: string): Stamp | undefined {
  const [, ms, counter, name] = TEXT.exec(text) ?? [];
  const origin = name === undefined ? undefined : parseRegionId(name);
  if (origin === undefined || !Number.isSafeInteger(Number(ms))) return undefined;
  return { ms: Number(ms), counter: Number(counter), origin };
}

/** What a region's hybrid clock has reached. Part of the replicated state, so a restart keeps it. */
export interface ClockReading {
  readonly ms: number;
  readonly counter: number;
}

export const CLOCK_START: ClockReading = { ms: 0, counter: 0 };

/**
 * The next reading: above the last one whatever the wall clock says.
 * @param wallMs - the leader's wall clock, as the log entry holds it
 */
export function tick(clock: ClockReading, wallMs: number): ClockReading {
  invariant(Number.isSafeInteger(wallMs) && wallMs >= 0, "a wall clock is a safe integer from 0");
  if (wallMs > clock.ms) return { ms: wallMs, counter: 0 };
  if (clock.counter < COUNTER_MAX) return { ms: clock.ms, counter: clock.counter + 1 };
  return { ms: clock.ms + 1, counter: 0 };
}

/** What came of looking at another region's stamp. */
export interface Observed {
  readonly clock: ClockReading;
  /** How far the other clock is ahead of what is allowed for; 0: it is not. A human must look. */
  readonly aheadMs: number;
}

/**
 * Moves the clock up to another region's stamp, so that what is written next has a later one. A
 * stamp further ahead than `driftMsMax` is not followed: one wrong clock must not become everybody's.
 * Versions that the writer knew are still overwritten: that is decided by what it knew, not by time.
 */
export function observe(
  clock: ClockReading,
  stamp: ClockReading,
  { wallMs, driftMsMax }: { readonly wallMs: number; readonly driftMsMax: number },
): Observed {
  const aheadMs = stamp.ms - wallMs;
  if (aheadMs > driftMsMax) return { clock, aheadMs };
  const isLater = stamp.ms > clock.ms || (stamp.ms === clock.ms && stamp.counter > clock.counter);
  return { clock: isLater ? { ms: stamp.ms, counter: stamp.counter } : clock, aheadMs: 0 };
}

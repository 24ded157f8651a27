import type { Cancel, Clock, Timers } from "../time.js";

/** Longest delay that Node's own timer takes; above it fires after one millisecond (FC-184). */
const NODE_DELAY_MS_MAX = 2 ** 31 - 1;

/** The machine's clocks. `monotonicMs` counts from the start of the calling thread. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** Node's timers, kept referenced: a pending one keeps the process alive. */
export const systemTimers: Timers = {
  after(delayMs: number, run: () => void): Cancel {
    if (Number.isNaN(delayMs)) throw new RangeError("a timer's delay must be a number, not NaN");
    const dueMs = performance.now() + delayMs;
    // Node rounds the start of a timer down to whole milliseconds, so that it may fire up to one
    // too early: looking at the clock again covers that and chains long delays in one go.
    const onTimer = () => {
      const leftMs = dueMs - performance.now();
      if (leftMs <= 0) run();
      else handle = arm(leftMs);
    };
    const arm = (ms: number) =>
      setTimeout(onTimer, Math.min(Math.max(Math.ceil(ms), 0), NODE_DELAY_MS_MAX));
    let handle = arm(delayMs);
    return () => clearTimeout(handle);
  },
  soon(run: () => void): Cancel {
    const handle = setImmediate(run);
    return () => clearImmediate(handle);
  },
};

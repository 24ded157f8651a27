/**
 * Two clocks that are never mixed. Durations, leases and timeouts use `monotonicMs`; only stamps
 * that people or other clusters read use `wallMs`, which may jump either way.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, never going back; may have fractions. */
  monotonicMs(): number;
  /** Milliseconds since 1970 UTC, whole. */
  wallMs(): number;
}

/** Cancels the call it came from; a second call, or one after the timer fired, does nothing. */
export type Cancel = () => void;

export interface Timers {
  /** Calls `run` once, not before `delayMs`. A delay above 2^31-1 ms is chained, not cut (FC-184). */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls `run` as soon as the current turn and its I/O callbacks are over. */
  soon(run: () => void): Cancel;
}

/** @returns a promise for the end of the wait; it is not cut short when `signal` aborts, it rejects */
export function delay(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = timers.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

import { monitorEventLoopDelay } from "node:perf_hooks";

/** How late the event loop was, in milliseconds, since the last `reset`. */
export interface DelaySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface EventLoopDelay {
  read(): DelaySummary;
  reset(): void;
  /** Ends the measuring. Idempotent. */
  stop(): void;
}

/** Every look wakes the thread, and an idle node pays for it. */
const RESOLUTION_MS = 100;

/** Measures the calling thread's loop every `resolutionMs`; the wait itself is taken off. */
export function eventLoopDelay({
  resolutionMs = RESOLUTION_MS,
}: {
  readonly resolutionMs?: number;
} = {}): EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  return {
    read: () => ({
      p50Ms: late(histogram.percentile(50)),
      p99Ms: late(histogram.percentile(99)),
      maxMs: late(histogram.max),
    }),
    reset: () => histogram.reset(),
    stop: () => void histogram.disable(),
  };
}

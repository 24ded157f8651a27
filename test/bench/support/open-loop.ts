import { type Measured, SECONDS } from "./closed-loop.js";
import { cpuSampler, percentile } from "./report.js";

const WARM_UP_MS = 700;
const TICK_MS = 1;

/**
 * Starts operations at a steady rate, whether or not earlier ones have ended, so that a slow answer
 * does not lower the load. Latency counts from the start of each. An error ends the measurement.
 */
export async function openLoop(
  perSecond: number,
  operation: () => Promise<unknown>,
): Promise<Measured> {
  const lat: number[] = [];
  const startMs = performance.now();
  const fromMs = startMs + WARM_UP_MS;
  const untilMs = fromMs + SECONDS * 1000;
  const open = new Set<Promise<void>>();
  let readCpu: (() => number) | undefined;
  let started = 0;
  const one = async () => {
    const beginMs = performance.now();
    await operation();
    if (beginMs >= fromMs) lat.push(performance.now() - beginMs);
  };
  for (;;) {
    const nowMs = performance.now();
    if (nowMs >= untilMs) break;
    if (nowMs >= fromMs) readCpu ??= cpuSampler();
    const due = Math.floor(((nowMs - startMs) * perSecond) / 1000);
    for (; started < due; started += 1) {
      const running = one();
      open.add(running);
      void running.then(
        () => open.delete(running),
        () => {},
      );
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  const cpuCores = readCpu?.() ?? 0;
  await Promise.all(open);
  lat.sort((a, b) => a - b);
  return {
    opsPerSecond: lat.length / SECONDS,
    p50Ms: percentile(lat, 50),
    p99Ms: percentile(lat, 99),
    cpuCores,
  };
}

import { describe, expect, test, vi } from "vitest";
import { systemRandom } from "./random.js";
import { systemClock, systemTimers } from "./time.js";

describe("systemTimers", () => {
  test("RT-1 a timer does not fire before its delay, nor after it was cancelled", async () => {
    const start = systemClock.monotonicMs();
    const cancel = systemTimers.after(1, () => expect.unreachable());
    cancel();
    cancel();
    await new Promise<void>((resolve) => void systemTimers.after(7, resolve));
    expect(systemClock.monotonicMs() - start).toBeGreaterThanOrEqual(7);
    await new Promise<void>((resolve) => void systemTimers.soon(resolve));
  });

  test("RT-2 a delay above 2^31-1 ms is chained, not cut to one (FC-184)", () => {
    vi.useFakeTimers();
    try {
      let fired = 0;
      systemTimers.after(2 ** 31 + 5000, () => {
        fired += 1;
      });
      vi.advanceTimersByTime(2 ** 31 + 4999);
      expect(fired).toBe(0);
      vi.advanceTimersByTime(1);
      expect(fired).toBe(1);
      systemTimers.after(Number.POSITIVE_INFINITY, () => expect.unreachable())();
      expect(() => systemTimers.after(Number.NaN, () => {})).toThrow("NaN");
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("systemRandom", () => {
  test("RT-3 below stays in its bound and reaches every value", () => {
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i += 1) seen.add(systemRandom.below(7));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(systemRandom.below(1)).toBe(0);
    expect(systemRandom.below(2 ** 32)).toBeLessThan(2 ** 32);
    expect(() => systemRandom.below(2 ** 32 + 1)).toThrow("random bound");
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16));
  });
});

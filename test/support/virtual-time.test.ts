import { describe, expect, test } from "vitest";
import { delay } from "../../pkg/runtime/index.js";
import { seededRandom } from "./seeded-random.js";
import { VirtualTime } from "./virtual-time.js";

describe("VirtualTime", () => {
  test("RT-25 events run by time, equal times in the order they were scheduled", async () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    time.after(5, () => seen.push("c"));
    time.after(2, () => seen.push("a"));
    time.after(5, () => seen.push("d"));
    time.soon(() => seen.push("now"));
    const cancel = time.after(3, () => seen.push("never"));
    cancel();
    time.after(2, () => {
      seen.push("b");
      time.soon(() => seen.push("b2"));
    });
    await time.advance(4);
    expect(seen).toEqual(["now", "a", "b", "b2"]);
    expect(time.monotonicMs()).toBe(4);
    await time.advance(1);
    expect(seen.slice(4)).toEqual(["c", "d"]);
    expect(time.pending()).toBe(0);
  });

  test("RT-25 a thousand events come in order whatever order they were scheduled in", async () => {
    const time = new VirtualTime();
    const random = seededRandom("heap");
    const seen: number[] = [];
    for (let i = 0; i < 1000; i += 1) {
      const ms = random.below(300);
      const cancel = time.after(ms, () => seen.push(ms));
      if (i % 7 === 0) cancel();
    }
    await time.advance(300);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen).toHaveLength(1000 - 143);
  });

  test("RT-26 promise chains of any length end before the next event", async () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    time.after(1, () => {
      void (async () => {
        for (let i = 0; i < 500; i += 1) await Promise.resolve();
        seen.push("chain");
      })();
    });
    time.after(1, () => seen.push("next"));
    await time.advance(1);
    expect(seen).toEqual(["chain", "next"]);
  });

  test("RT-26 code that awaits delays runs on virtual time alone", async () => {
    const time = new VirtualTime();
    const work = (async () => {
      await delay(time, 3_600_000);
      await delay(time, 3_600_000);
      return time.monotonicMs();
    })();
    expect(await time.run(work, { ticksMax: 2 })).toBe(7_200_000);
  });

  test("RT-27 runUntil fails at its limit and when no event is left", async () => {
    const time = new VirtualTime();
    const again = () => void time.after(1, again);
    again();
    await expect(time.runUntil(() => false, { ticksMax: 9 })).rejects.toThrow("after 9 events");
    await expect(new VirtualTime().runUntil(() => false, { ticksMax: 9 })).rejects.toThrow(
      "no event is left",
    );
  });

  test("RT-28 a fast clock fires early in true time, a slow one late, neither before its own delay", async () => {
    const time = new VirtualTime();
    const fired: Record<string, number> = {};
    for (const [name, ratePpm] of [
      ["fast", 50_000],
      ["slow", -50_000],
    ] as const) {
      const clock = time.clock({ ratePpm });
      const start = clock.monotonicMs();
      clock.after(1000, () => {
        expect(clock.monotonicMs() - start).toBeGreaterThanOrEqual(1000);
        fired[name] = Math.round(time.monotonicMs());
      });
    }
    await time.advance(2000);
    expect(fired).toEqual({ fast: 952, slow: 1053 });
  });

  test("RT-28 skew and steps move the wall clock only", async () => {
    const time = new VirtualTime();
    const clock = time.clock({ skewMs: -500 });
    expect(clock.wallMs()).toBe(time.wallMs() - 500);
    clock.stepWall(3_600_000);
    expect(clock.wallMs()).toBe(time.wallMs() + 3_599_500);
    expect(clock.monotonicMs()).toBe(0);
  });

  test("RT-29 a paused node does overdue work at resume, a halted one never again (FC-179)", async () => {
    const time = new VirtualTime();
    const node = time.clock();
    const seen: string[] = [];
    node.after(1, () => seen.push("a"));
    node.after(2, () => seen.push("b"));
    const cancelled = node.after(3, () => seen.push("cancelled"));
    node.pause();
    await time.advance(10);
    cancelled();
    expect(seen).toEqual([]);
    node.resume();
    node.after(0, () => seen.push("c"));
    await time.advance(0);
    expect(seen).toEqual(["a", "b", "c"]);
    node.after(1, () => seen.push("dead"));
    node.halt();
    await time.advance(10);
    expect(seen).toHaveLength(3);
  });

  test("RT-24 the same seed gives the same trace, another seed another", async () => {
    const run = async (seed: number) => {
      const time = new VirtualTime();
      const random = seededRandom(seed);
      for (let i = 0; i < 50; i += 1) time.after(random.below(1000), () => {});
      await time.advance(1000);
      return time.trace.digest();
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(2)).not.toBe(await run(1));
  });
});

describe("seededRandom", () => {
  test("RT-24 draws are fair enough, repeatable, and forks do not depend on what was drawn", () => {
    const random = seededRandom(1);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 60_000; i += 1) {
      const value = random.below(6);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    let hits = 0;
    for (let i = 0; i < 10_000; i += 1) if (random.chance(1, 10)) hits += 1;
    expect(Math.abs(hits - 1000)).toBeLessThan(150);
    expect(random.fork("disk").bytes(16)).toEqual(seededRandom(1).fork("disk").bytes(16));
    expect(random.fork("disk").bytes(16)).not.toEqual(random.fork("net").bytes(16));
    expect(random.below(2 ** 32)).toBeGreaterThanOrEqual(0);
    expect(random.shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
    expect(() => random.below(0)).toThrow("random bound");
  });
});

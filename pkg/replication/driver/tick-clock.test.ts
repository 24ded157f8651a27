import { describe, expect, it } from "vitest";
import { TickClock } from "./tick-clock.js";

function atZero() {
  const time = { nowMs: 0 };
  const clock = { monotonicMs: () => time.nowMs, wallMs: () => 0 };
  return { time, ticks: new TickClock({ clock, tickMs: 20, stallMs: 250 }) };
}

describe("TickClock", () => {
  it("RA-15 timers that always come late delay no tick, so no lease outlives its time", () => {
    const { time, ticks } = atZero();
    let counted = 0;
    while (time.nowMs < 10_000) {
      time.nowMs += 33;
      counted += ticks.advance() as number;
    }
    expect(counted).toBe(Math.floor(time.nowMs / 20));
  });

  it("RA-15 what comes between two ticks is in neither twice", () => {
    const { time, ticks } = atZero();
    const counts = [19, 1, 19, 21, 0].map((ms) => {
      time.nowMs += ms;
      return ticks.advance();
    });
    expect(counts).toEqual([0, 1, 0, 2, 0]);
  });

  it("RA-15 a gap beyond the limit is a stall, and its ticks are not made up (FC-060)", () => {
    const { time, ticks } = atZero();
    time.nowMs = 250;
    expect(ticks.advance()).toBe(12);
    time.nowMs += 251;
    expect(ticks.advance()).toBe("stalled");
    time.nowMs += 20;
    expect(ticks.advance()).toBe(1);
  });

  it("RA-15 a restart forgets the time before it", () => {
    const { time, ticks } = atZero();
    time.nowMs = 5_000;
    ticks.restart();
    time.nowMs += 40;
    expect(ticks.advance()).toBe(2);
  });
});

import { describe, expect, it } from "vitest";
import type { LogIndex } from "../../base/index.js";
import { CommitTimes } from "./commit-times.js";

const at = (index: number) => index as LogIndex;

describe("times of commits", () => {
  it("RB-10 says since when something after an entry has been committed", () => {
    const times = new CommitTimes();
    expect(times.behindMs(at(0), 50)).toBe(0);
    times.note(at(10), 100);
    times.note(at(20), 200);
    times.note(at(20), 300);
    expect(times.behindMs(at(20), 1_000)).toBe(0);
    expect(times.behindMs(at(19), 1_000)).toBe(800);
    expect(times.behindMs(at(10), 1_000)).toBe(800);
    expect(times.behindMs(at(9), 1_000)).toBe(900);
  });

  it("RB-10 keeps the times of an hour in bounded memory, the newest exactly", () => {
    const times = new CommitTimes();
    const last = 3_600 * 50;
    for (let index = 1; index <= last; index += 1) times.note(at(index), index * 20);
    const nowMs = last * 20;
    expect(times.behindMs(at(last - 10), nowMs)).toBeLessThanOrEqual(200);
    expect(times.behindMs(at(last - 10), nowMs)).toBeGreaterThan(0);
    expect(times.behindMs(at(0), nowMs)).toBeGreaterThan(nowMs * 0.9);
  });
});

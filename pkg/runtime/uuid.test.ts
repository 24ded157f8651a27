import { describe, expect, test } from "vitest";
import { seededRandom } from "../../test/support/index.js";
import { createRequestIds, uuidV7TimeMs } from "./uuid.js";

function withClock() {
  let nowMs = 1_767_225_600_123;
  const clock = { monotonicMs: () => 0, wallMs: () => nowMs };
  const next = createRequestIds({ clock, random: seededRandom("ids") });
  return { next, setMs: (ms: number) => (nowMs = ms), nowMs: () => nowMs };
}

describe("createRequestIds", () => {
  test("RT-6 ids are UUIDs of version 7 that carry the wall clock", () => {
    const { next, nowMs } = withClock();
    const id = next();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(uuidV7TimeMs(id)).toBe(nowMs());
    expect(uuidV7TimeMs("00000000-0000-4000-8000-000000000000")).toBeUndefined();
    expect(uuidV7TimeMs("")).toBeUndefined();
  });

  test("RT-7 each id is greater than the one before, whatever the wall clock does (FC-110)", () => {
    const { next, setMs, nowMs } = withClock();
    let last = "";
    for (let i = 0; i < 50_000; i += 1) {
      if (i % 1000 === 999) setMs(nowMs() + (i % 3000 === 999 ? -3_600_000 : 1));
      const id = next();
      expect(id > last).toBe(true);
      last = id;
    }
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRegionId, type RegionId } from "../../base/index.js";
import {
  CLOCK_START,
  COUNTER_MAX,
  compareStamps,
  observe,
  parseStamp,
  stampText,
  tick,
} from "./stamp.js";

const region = (name: string) => parseRegionId(name) as RegionId;
const stamps = fc.record({
  ms: fc.oneof(fc.nat(3), fc.maxSafeNat()),
  counter: fc.oneof(fc.nat(3), fc.nat(COUNTER_MAX)),
  origin: fc.constantFrom("1", "eu", "us", "us-2").map(region),
});

test("MR-1 a reading is above the one before, whatever the wall clock says (FC-110)", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(5)), (walls) => {
      let clock = CLOCK_START;
      for (const wallMs of walls) {
        const next = tick(clock, wallMs);
        const origin = region("eu");
        expect(compareStamps({ ...next, origin }, { ...clock, origin })).toBeGreaterThan(0);
        expect(next.ms).toBeGreaterThanOrEqual(wallMs);
        clock = next;
      }
    }),
  );
  expect(tick({ ms: 7, counter: COUNTER_MAX }, 3)).toEqual({ ms: 8, counter: 0 });
});

test("MR-2 equal times are told apart by region; as text stamps sort the same and keep every digit (FC-109)", () => {
  fc.assert(
    fc.property(stamps, stamps, (a, b) => {
      const order = Math.sign(compareStamps(a, b));
      expect(order + Math.sign(compareStamps(b, a))).toBe(0);
      expect(order === 0).toBe(stampText(a) === stampText(b));
      if (order !== 0) expect(stampText(a) < stampText(b)).toBe(order < 0);
      expect(parseStamp(stampText(a))).toEqual(a);
    }),
  );
  for (const text of ["", "1.2.eu", "9999999999999999.000000.eu", "0000000000000001.000000."]) {
    expect(parseStamp(text)).toBeUndefined();
  }
});

test("MR-3 a stamp within bounds is followed, one beyond is not, and says by how much", () => {
  const clock = { ms: 1_000, counter: 4 };
  const bounds = { wallMs: 1_000, driftMsMax: 500 };
  expect(observe(clock, { ms: 1_500, counter: 2 }, bounds)).toEqual({
    clock: { ms: 1_500, counter: 2 },
    aheadMs: 0,
  });
  expect(observe(clock, { ms: 1_000, counter: 3 }, bounds)).toEqual({ clock, aheadMs: 0 });
  expect(observe(clock, { ms: 1_501, counter: 0 }, bounds)).toEqual({ clock, aheadMs: 501 });
});

import { expect, test } from "vitest";
import { VirtualTime } from "../../../test/support/index.js";
import { ClockAlarms } from "./clock-alarms.js";
import { US } from "./core/testing.js";
import { Forgetting } from "./forgetting.js";
import type { RegionOperation } from "./operations.js";
import type { OperationOutcome } from "./region-proposals.js";

const HOUR = 3_600_000;

test("MR-48 a pass goes on piece by piece, and the next one begins much later", async () => {
  const time = new VirtualTime();
  const asked: (readonly [RegionOperation, (outcome: OperationOutcome) => void])[] = [];
  const forgetting = new Forgetting({
    clock: time,
    retentionMs: HOUR,
    propose: (operation, done) => void asked.push([operation, done]),
  });
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 1_000) {
      await time.advance(1_000);
      forgetting.tick();
    }
  };
  await pass(HOUR / 4 - 1_000);
  expect(asked.length).toBe(0);
  await pass(10_000);
  expect(asked.map(([operation]) => operation)).toEqual([
    { op: "forget", beforeMs: time.wallMs() - 9_000 - HOUR, after: "" },
  ]);
  asked[0]?.[1]({ ok: true, value: { op: "forget", forgotten: 500, next: "n:k" } });
  await pass(2_000);
  expect(asked[1]?.[0]).toMatchObject({ after: "n:k" });
  asked[1]?.[1]({ ok: true, value: { op: "forget", forgotten: 1, next: null } });
  await pass(60_000);
  expect(asked.length).toBe(2);
});

test("MR-46 a clock that is ahead is said once a minute, and that it is right again once", async () => {
  const time = new VirtualTime();
  const said: string[] = [];
  const alarms = new ClockAlarms({ clock: time, note: (event) => void said.push(event) });
  alarms.heard(US, 0);
  for (let second = 0; second < 90; second += 1) {
    alarms.heard(US, 5_000);
    await time.advance(1_000);
  }
  expect([said, alarms.of(US)]).toEqual([["region_clock_ahead", "region_clock_ahead"], 5_000]);
  alarms.heard(US, 0);
  alarms.heard(US, 0);
  expect([said.at(-1), said.length, alarms.of(US)]).toEqual(["region_clock_back", 3, 0]);
});

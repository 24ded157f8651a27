import { expect, it } from "vitest";
import { answeringNode as node } from "./testing.js";

const US = {
  region: "us",
  state: "streaming",
  reason: null,
  address: "us:7688",
  lag_entries: 3,
  lag_bytes: 2_048,
  lag_ms: 150,
  clock_ahead_ms: 0,
  received: 7,
  missing: 0,
};
const EU = { region: "eu", strategy: "manual", promoted: "eu", obstacle: null, regions: [US] };

it("NC-16 the status of regions is a table, and 0 while all get what is written", async () => {
  const { asked, ctl } = await node(EU);
  const { exit, out } = await ctl("region", "status");
  expect(exit).toBe(0);
  expect(out).toMatch(/promoted +eu\n/);
  expect(out).toMatch(/us +streaming +3 +2\.0 KiB +150 +7 +0 +ok +us:7688\n/);
  expect(asked).toEqual([["GET", "/admin/region", ""]]);
});

it("NC-16 a region that takes nothing, and one that nobody may write in, are 2 and say why", async () => {
  const refused = { ...US, state: "refused", reason: "it has another strategy" };
  const first = await (await node({ ...EU, regions: [refused] })).ctl("region", "status");
  expect([first.exit, first.out.endsWith("us: it has another strategy\n")]).toEqual([2, true]);
  const copy = await (await node({ ...EU, obstacle: "the data is that of us" })).ctl(
    "region",
    "status",
  );
  expect([copy.exit, /obstacle +the data is that of us\n/.test(copy.out)]).toEqual([2, true]);
  const ahead = { ...US, clock_ahead_ms: 60_000 };
  const late = await (await node({ ...EU, regions: [ahead] })).ctl("region", "status");
  expect(late.out).toContain("60000 ms ahead");
});

it("NC-16 orders about regions go out as they were given", async () => {
  const missing = [{ region: "us", missing: 2 }];
  const { asked, ctl } = await node({ promoted: "eu", epoch: 4, missing, was: "us", region: "eu" });
  expect((await ctl("region", "promote")).out).toBe(
    "region eu is promoted, as number 4\nus: 2 changes are not here\n",
  );
  expect((await ctl("region", "give-up", "us")).out).toBe("region us was given up\n");
  expect((await ctl("region", "readmit", "us")).out).toContain("goes on from where it is");
  expect((await ctl("region", "adopt")).out).toBe("this copy of region us is region eu now\n");
  expect((await ctl("region", "give-up")).exit).toBe(64);
  expect(asked).toEqual([
    ["POST", "/admin/region/promote", "{}"],
    ["POST", "/admin/region/give-up", '{"region":"us"}'],
    ["POST", "/admin/region/readmit", '{"region":"us"}'],
    ["POST", "/admin/region/adopt", "{}"],
  ]);
});

import { expect, it } from "vitest";
import { answeringNode as node } from "./testing.js";

const ID = "n:a/b/property:x/eu:1,us:1";
const CONFLICT = {
  id: ID,
  key: "n:a/b",
  field: "property:x",
  kind: "value",
  winner: { origin: "us", seq: 1, clock: "2.us", value: { k: "v".repeat(50) } },
  losers: [{ origin: "eu", seq: 1, clock: "1.eu" }],
};

it("NC-1 conflicts are listed with their sides, and how to go on", async () => {
  const { asked, ctl } = await node({ conflicts: [CONFLICT], after: "n:a/b" });
  const { exit, out } = await ctl("conflicts", "list", "--limit", "1", "--after", "n:a");
  expect(exit).toBe(0);
  expect(out).toContain(`${ID}  n:a/b  property:x  value  us (see show)  eu (gone)\n`);
  expect(out).toContain("there are more: --after 'n:a/b'\n");
  await ctl("conflicts", "list", "--ended");
  expect(asked.map(([, url]) => url)).toEqual([
    "/admin/conflicts?state=open&after=n%3Aa&limit=1",
    "/admin/conflicts?state=ended",
  ]);
  const none = await node({ conflicts: [] });
  expect((await none.ctl("conflicts", "list")).out).toBe("no conflicts\n");
});

it("NC-1 one conflict is shown with all that each side wrote, and with what ended it", async () => {
  const ended = { ...CONFLICT, how: "resolved", endedBy: { origin: "eu", seq: 7 } };
  const { asked, ctl } = await node(ended);
  const { out } = await ctl("conflicts", "show", ID);
  expect(asked[0]?.[1]).toBe(`/admin/conflicts/${encodeURIComponent(ID)}`);
  expect(out).toMatch(/state +resolved by eu:7\n/);
  expect(out).toMatch(/winner +us:1 +2\.us +\{"k":"v{50}"\}\n/);
  expect(out).toMatch(/loser +eu:1 +1\.eu +gone\n/);
});

it("NC-15 resolve sends the one choice that was made", async () => {
  const { asked, ctl } = await node({ id: ID, outcome: "resolved", receipt: { index: 9 } });
  const { out } = await ctl("conflicts", "resolve", ID, "--keep", "winner");
  expect(out).toBe("resolved at index 9\n");
  await ctl("conflicts", "resolve", ID, "--loser", "eu-1:12");
  await ctl("conflicts", "resolve", ID, "--value", "null");
  expect(asked.map(([, , body]) => JSON.parse(body))).toEqual([
    { keep: "winner" },
    { keep: "loser", origin: "eu-1", seq: 12 },
    { value: null },
  ]);
});

it("NC-15 what is no choice is refused before anything is asked", async () => {
  const { asked, ctl } = await node({});
  for (const choice of [
    [],
    ["--keep", "loser"],
    ["--keep", "winner", "--value", "1"],
    ["--loser", "eu"],
    ["--loser", "eu:-1"],
    ["--value", "text"],
  ]) {
    const { exit, err } = await ctl("conflicts", "resolve", ID, ...choice);
    expect([exit, err.startsWith("USAGE: ")]).toEqual([64, true]);
  }
  expect(asked).toEqual([]);
});

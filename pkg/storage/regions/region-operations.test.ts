import { afterEach, expect, test } from "vitest";
import { NO_POSITION, type RegionId } from "../../base/index.js";
import { REGION_LIMITS } from "./limits.js";
import { encodeRegionOperation } from "./region-commands.js";
import {
  AP,
  closeAll,
  EU,
  exchange,
  link,
  MANY,
  Node,
  pair,
  put,
  settingsOf,
  US,
} from "./testing.js";

afterEach(closeAll);

test("MR-21 conflicts are listed, shown and resolved, and what was decided travels", async () => {
  const [eu, us] = await pair("manual");
  await eu.write([put("a/b", { x: 0 })]);
  await exchange(eu, us);
  await eu.write([put("a/b", { x: "eu" })]);
  await us.write([{ op: "delete_node", id: "a/b" }]);
  await exchange(eu, us);
  const { conflicts, next } = us.storage.conflicts("", 10);
  expect([conflicts.length, next]).toEqual([1, undefined]);
  const id = conflicts[0]?.id as string;
  expect(us.storage.conflict(id)).toEqual(conflicts[0]);
  const resolve = (choice: unknown) =>
    us.run(encodeRegionOperation({ op: "resolve", id, choice } as never));
  expect(await resolve({ keep: "loser", origin: "zz", seq: 1 })).toMatchObject({ code: "INVALID" });
  expect(await resolve({ keep: "nobody" })).toMatchObject({ code: "INVALID" });
  expect(await resolve({ keep: "loser", origin: "eu", seq: 2 })).toMatchObject({ ok: true });
  expect(await resolve({ keep: "winner" })).toMatchObject({ code: "NOT_FOUND" });
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(node.storage.conflicts("", 10).conflicts).toEqual([]);
    expect(await node.seen(["a/b"])).toMatchObject([{ properties: { x: "eu" } }, null]);
    expect(node.storage.region()?.meta.closed).toMatchObject([{ conflict: { id } }]);
    await node.isConsistent();
  }
});

test("MR-16 a place of what is deleted for now cannot be resolved before the deletion is", async () => {
  const [eu, us] = await pair();
  const time = (second: number) => `2026-01-02T03:04:0${second}Z`;
  await eu.write([put("a")], time(1));
  const edge = (properties: object) =>
    ({ op: "put_edge", id: "e", from: "a", to: "a", type: "T", properties }) as never;
  await eu.write([edge({ x: 0 })], time(1));
  await exchange(eu, us);
  await eu.write([edge({ x: "eu" })], time(2));
  await us.write([edge({ x: "us" })], time(3));
  await us.write([{ op: "delete_edge", id: "e" }], time(4));
  await exchange(eu, us);
  const open = () => eu.storage.conflicts("", 10).conflicts;
  const resolve = (kind: string, choice: object) => {
    const id = open().find((conflict) => conflict.kind === kind)?.id;
    return eu.run(encodeRegionOperation({ op: "resolve", id, choice } as never));
  };
  expect(await resolve("value", { keep: "winner" })).toMatchObject({ code: "CONFLICT" });
  const keep = { keep: "loser", origin: EU, seq: 3 };
  expect(await resolve("update_delete", keep)).toMatchObject({ ok: true });
  expect(await resolve("value", keep)).toMatchObject({ ok: true });
  expect(open()).toEqual([]);
  const { items } = await eu.storage.findEdges(
    { nodeId: "a", direction: "both", limit: 2 } as never,
    NO_POSITION,
  );
  expect(items).toMatchObject([{ id: "e", from: "a", properties: { x: "eu" } }]);
});

test("MR-14 tombstones are forgotten slice by slice", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a"), put("b")]);
  await eu.write([{ op: "delete_node", id: "a" }]);
  const forget = () => eu.run(encodeRegionOperation({ op: "forget", beforeMs: 9e15, after: "" }));
  expect(await forget()).toMatchObject({ value: { forgotten: 0, next: null } });
  await exchange(eu, us);
  await exchange(eu, us);
  expect(await forget()).toMatchObject({ value: { forgotten: 1, next: null } });
  expect(await forget()).toMatchObject({ value: { forgotten: 0 } });
  await eu.isConsistent();
});

test("MR-6 increments add up over regions; what cannot be added to is refused (FC-116)", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a", { n: 1, t: "text", f: 0.5 }), put("b"), link("e", "a", "b")]);
  await exchange(eu, us);
  const add = (node: Node, property: string, by: number, id = "a") =>
    node.write([{ op: "increment_node", id, property, by }]);
  expect(await add(eu, "n", 2)).toMatchObject({ value: [{ outcome: "updated", value: 3 }] });
  await add(eu, "n", 3);
  expect(await add(us, "n", 10)).toMatchObject({ value: [{ value: 11 }] });
  expect(await add(us, "t", 1)).toMatchObject({ ok: false, code: "CONFLICT" });
  expect(await add(us, "f", 1)).toMatchObject({ ok: false, code: "CONFLICT" });
  expect(await add(us, "n", 1, "zz")).toMatchObject({ ok: false, code: "NOT_FOUND" });
  const most = Number.MAX_SAFE_INTEGER;
  expect(await add(us, "n", most)).toMatchObject({ ok: false, code: "CONFLICT" });
  expect(await add(us, "$x", 1)).toMatchObject({ ok: false, code: "INVALID" });
  for (const node of [eu, us]) {
    await node.write([{ op: "increment_edge", id: "e", property: "w", by: -4 }]);
  }
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(await node.seen(["a"])).toMatchObject([{ properties: { n: 16 } }, null]);
    expect(await node.seen(["e"])).toMatchObject([null, { properties: { w: -8 } }]);
    expect(node.storage.conflicts("", 10).conflicts).toEqual([]);
    await node.isConsistent();
  }
});

test("MR-6 in one command with an assignment to the same place it is an assignment", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a", { n: 1, m: 1 })]);
  await exchange(eu, us);
  await us.write([{ op: "increment_node", id: "a", property: "n", by: 100 }]);
  await us.write([{ op: "increment_node", id: "a", property: "m", by: 100 }]);
  const later = "2026-01-02T03:04:09Z";
  await eu.write(
    [
      { op: "increment_node", id: "a", property: "m", by: 2 },
      { op: "patch_node", id: "a", properties: { n: 20 } },
      { op: "increment_node", id: "a", property: "n", by: 5 },
      { op: "increment_node", id: "a", property: "m", by: 3 },
    ],
    later,
  );
  await eu.write([put("b", { n: 7 })]);
  await eu.write([
    { op: "increment_node", id: "b", property: "n", by: 2 },
    { op: "delete_node", id: "b" },
    put("b", { n: 9 }),
  ]);
  expect(
    JSON.parse(eu.storage.regions.changes(EU, 1, MANY).texts[0] as string).things,
  ).toMatchObject([{ key: "n:a", put: [["n", 25]], runs: [["m", expect.anything()]] }]);
  expect(
    JSON.parse(eu.storage.regions.changes(EU, 3, MANY).texts[0] as string).things,
  ).toMatchObject([{ key: "n:b", put: [["n", 9]] }]);
  await exchange(eu, us);
  for (const node of [eu, us]) {
    expect(await node.seen(["a"])).toMatchObject([{ properties: { n: 125, m: 106 } }, null]);
    await node.isConsistent();
  }
});

test("MR-6 what a region adds in all must be a whole number, whatever it shows", async () => {
  const [eu, us] = await pair();
  const most = Number.MAX_SAFE_INTEGER;
  await eu.write([put("a", { n: 0 })]);
  await exchange(eu, us);
  await eu.write([{ op: "increment_node", id: "a", property: "n", by: most }]);
  await us.write([{ op: "increment_node", id: "a", property: "n", by: -most }]);
  await exchange(eu, us);
  expect(await eu.seen(["a"])).toMatchObject([{ properties: { n: 0 } }, null]);
  const more = await eu.write([{ op: "increment_node", id: "a", property: "n", by: 1 }]);
  expect(more).toMatchObject({ ok: false, code: "CONFLICT" });
  await eu.write([put("a", { n: 1 })]);
  await exchange(eu, us);
  expect(await eu.write([{ op: "increment_node", id: "a", property: "n", by: 1 }])).toMatchObject({
    ok: true,
  });
  await exchange(eu, us);
  expect(await us.seen(["a"])).toMatchObject([{ properties: { n: 2 } }, null]);
});

test("MR-23 settings change by command; another strategy shows what is in conflict anew", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a", { x: 0 })]);
  await exchange(eu, us);
  await eu.write([put("a", { x: "first" })], "2026-01-02T03:04:06Z");
  await us.write([put("a", { x: "last" })], "2026-01-02T03:04:07Z");
  await exchange(eu, us);
  expect(await eu.seen(["a"])).toMatchObject([{ properties: { x: "last" } }, null]);
  const first = settingsOf(EU, [EU, US], "first_write_wins");
  expect(await eu.run(encodeRegionOperation({ op: "settle", settings: first }))).toMatchObject({
    ok: true,
  });
  expect(await eu.seen(["a"])).toMatchObject([{ properties: { x: "first" } }, null]);
  const renamed = settingsOf(AP, [AP, US]);
  expect(await eu.run(encodeRegionOperation({ op: "settle", settings: renamed }))).toMatchObject({
    ok: false,
    code: "CONFLICT",
  });
  await eu.isConsistent();
});

test("MR-17 an operation that makes no sense does nothing and says what is wrong", async () => {
  const [eu] = await pair();
  const before = await eu.storage.digest();
  const wrong = [
    "",
    "[]",
    '{"op":"dance"}',
    '{"op":"settle","self":"eu"}',
    '{"op":"settle","self":"eu","others":["eu"],"strategy":"manual","driftMsMax":1}',
    '{"op":"settle","self":"eu","others":["us"],"strategy":"best","driftMsMax":1}',
    '{"op":"receive","from":"us","upTo":-1,"contains":[]}',
    '{"op":"receive","from":"us","upTo":1,"contains":[]}\nnot json',
    '{"op":"receive","from":"us","upTo":1,"contains":[]}\n{"origin":"us"}',
    `{"op":"receive","from":"us","upTo":1,"contains":[]}${"\n{}".repeat(REGION_LIMITS.receiveMax + 1)}`,
    '{"op":"increment","key":"n:a","property":"x","by":1}',
    '{"op":"forget","beforeMs":"1","after":""}',
    '{"op":"give_up","region":"a b"}',
    '{"op":"readmit","region":"us","contains":[["us"]]}',
  ];
  for (const text of wrong) {
    const result = await eu.run({ type: 140, data: Buffer.from(text) });
    expect(result, text).toMatchObject({ ok: false, code: "INVALID" });
  }
  expect((await eu.storage.digest()).shards).toEqual(before.shards);
});

test("MR-15 a region that was given up holds nothing up, and is let in again with a full copy", async () => {
  const [eu, us] = await pair();
  await eu.write([put("a")]);
  const run = (operation: Parameters<typeof encodeRegionOperation>[0]) =>
    eu.run(encodeRegionOperation(operation));
  expect(await run({ op: "give_up", region: AP })).toMatchObject({ code: "NOT_FOUND" });
  expect(await run({ op: "give_up", region: US })).toMatchObject({ ok: true });
  expect(eu.storage.region()?.floor.get(EU)).toBe(1);
  await us.write([put("b")]);
  expect(await eu.hear(us)).toMatchObject({ applied: 0, stopped: { outcome: "lost" } });
  const empty = new Map<RegionId, number>();
  expect(await run({ op: "readmit", region: US, contains: empty })).toMatchObject({
    code: "CONFLICT",
  });
  const contains = new Map([[EU, 1]]);
  expect(await run({ op: "readmit", region: US, contains })).toMatchObject({ ok: true });
});

test("MR-15 what another region has of one that was given up is taken from it", async () => {
  const all = [EU, US, AP];
  const [eu, us, ap] = [
    await Node.founded(settingsOf(EU, all)),
    await Node.founded(settingsOf(US, all)),
    await Node.founded(settingsOf(AP, all)),
  ];
  await ap.write([put("a")]);
  await us.hear(ap);
  await eu.run(encodeRegionOperation({ op: "give_up", region: AP }));
  const { texts } = us.storage.regions.changes(AP, 0, MANY);
  const contains = new Map([[AP, 1]]);
  const passedOn = { op: "receive", upTo: 0, contains, texts } as const;
  const take = (from: RegionId) => eu.run(encodeRegionOperation({ ...passedOn, from }));
  expect(await take(AP)).toMatchObject({ value: { applied: 0, stopped: { outcome: "lost" } } });
  expect(await take(US)).toMatchObject({ value: { applied: 1, stopped: null } });
  expect(await eu.seen(["a"])).toEqual(await ap.seen(["a"]));
});

test("MR-24 a write that no command of another region could hold is refused, and nothing has happened", async () => {
  const [eu, us] = await pair();
  const value = "x".repeat(16 * 1024 * 1024 - 200);
  const result = await eu.write([put("a", { value })]);
  expect(result).toMatchObject({ ok: false, code: "TOO_LARGE" });
  expect(await eu.write([put("a", { value: value.slice(100_000) })])).toMatchObject({ ok: true });
  expect(await us.hear(eu)).toMatchObject({ applied: 1 });
  expect(await us.seen(["a"])).toEqual(await eu.seen(["a"]));
});

test("MR-50 the promotion with the highest number counts everywhere, whatever came first", async () => {
  const [eu, us] = await pair();
  const promote = (region: RegionId, epoch: number) =>
    encodeRegionOperation({ op: "promote", region, epoch });
  const told = [promote(EU, 1), promote(US, 2), promote(EU, 2)];
  for (const command of told) expect(await eu.run(command)).toMatchObject({ ok: true });
  for (const command of [...told].reverse()) await us.run(command);
  for (const node of [eu, us]) {
    expect(await node.storage.regions.facts()).toMatchObject({
      promotion: { region: US, epoch: 2 },
    });
    await node.isConsistent();
  }
  expect(await eu.run(promote(AP, 3))).toMatchObject({ code: "NOT_FOUND" });
  await eu.reopen();
  expect(eu.storage.region()?.promotion).toEqual({ region: US, epoch: 2 });
});

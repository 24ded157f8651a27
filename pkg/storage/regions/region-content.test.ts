import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { ComparableContent, ContentRecord } from "../../replication/ports/index.js";
import { encodeOperations } from "../commands.js";
import type { Operation } from "../graph.js";
import { openConnection } from "../sqlite/connection.js";
import { encodeRegionOperation } from "./region-commands.js";
import { closeAll, EU, exchange, link, MANY, Node, pair, put, settingsOf, US } from "./testing.js";

afterEach(closeAll);

/** Two nodes of one region that hold the same: things, tombstones, a conflict and one that is over. */
async function twins(): Promise<readonly [Node, Node, Node]> {
  const [eu, us] = await pair("manual");
  const twin = await Node.founded(settingsOf(EU, [EU, US], "manual"));
  const both = async (operations: readonly Operation[]) => {
    const command = encodeOperations(operations);
    for (const node of [eu, twin]) await node.run(command);
  };
  const hear = async () => {
    const after = eu.storage.region()?.meta.have.get(US) ?? 0;
    const { texts } = us.storage.regions.changes(US, after, MANY);
    const contains = us.storage.region()?.meta.have ?? new Map();
    const upTo = contains.get(US) ?? 0;
    const receive = { op: "receive", from: US, upTo, contains, texts } as const;
    for (const node of [eu, twin]) await node.run(encodeRegionOperation(receive));
    await us.hear(eu);
  };
  await both([put("a", { x: 1 }, ["L"]), put("b"), put("c"), link("e", "a", "b")]);
  await hear();
  await both([put("a", { x: "eu" }), put("c", { y: "eu" })]);
  await us.write([put("a", { x: "us" }), put("c", { y: "us" })]);
  await hear();
  await both([put("c", { y: 0 }), { op: "delete_node", id: "b", detach: true }]);
  await hear();
  expect(await twin.storage.digest()).toEqual(await eu.storage.digest());
  return [eu, twin, us];
}

async function damage(node: Node, ...statements: readonly string[]): Promise<void> {
  await node.storage.close();
  const file = openConnection(join(node.folder, "graph.db"), "write");
  for (const statement of statements) {
    expect(file.prepare(statement).run().changes).toBeGreaterThan(0);
  }
  file.close();
  await node.reopen();
}

/** Keys that differ, found as replicas do it: by sums, then by buckets, then by keys. */
async function differing(one: Node, other: Node): Promise<readonly string[]> {
  const [left, right] = [one, other].map(({ storage }) => storage.content) as [
    ComparableContent,
    ComparableContent,
  ];
  for (const content of [left, right]) await content.fix();
  const [mine, theirs] = [
    await left.inspect({ kind: "sums" }),
    await right.inspect({ kind: "sums" }),
  ];
  const shards = mine.sums.flatMap((sum, at) => (sum === theirs.sums[at] ? [] : [at]));
  const places: number[] = [];
  const buckets = [
    await left.inspect({ kind: "buckets", shards }),
    await right.inspect({ kind: "buckets", shards }),
  ] as const;
  for (const [at, shard] of shards.entries()) {
    for (let bucket = 0; bucket < 1024; bucket += 1) {
      if (buckets[0][at]?.[bucket] !== buckets[1][at]?.[bucket]) places.push(bucket * 1024 + shard);
    }
  }
  const keys = new Set<string>();
  for (const content of [left, right]) {
    const found = await content.inspect({ kind: "keys", places, keysMax: 100 });
    for (const { key } of found ?? []) keys.add(key);
  }
  return [...keys].sort();
}

async function recordsOf(node: Node, keys: readonly string[]): Promise<readonly ContentRecord[]> {
  return (await node.storage.content.inspect({
    kind: "records",
    keys,
  })) as readonly ContentRecord[];
}

test("ST-36 ST-38 MR-20 what differs of origins, notes and graph is named, and put right from a replica", async () => {
  const [eu, twin, us] = await twins();
  await damage(
    twin,
    "UPDATE region_things SET text = '[[[\"us\",9,9,0]],[[[0,true]]],[[]],[],[]]' WHERE key = 'n:a'",
    "DELETE FROM region_things WHERE key = 'n:b'",
    "INSERT INTO region_things VALUES ('n:zz', '[[[\"us\",9,9,0]],[[[0,true]]],[[]],[],[]]', 1, 5, 0)",
    "UPDATE nodes SET properties = '{\"x\":7}' WHERE id = 'a'",
    "DELETE FROM region_notes WHERE id LIKE 'closed:%'",
  );
  const keys = await differing(eu, twin);
  expect(keys.map((key) => key.split("/")[0])).toEqual([
    "n:a",
    "r:n:a",
    "r:n:b",
    "r:n:zz",
    "s:closed:n:c",
  ]);
  await twin.storage.content.repair(await recordsOf(eu, keys));
  expect(await twin.storage.digest()).toEqual(await eu.storage.digest());
  await twin.isConsistent();
  expect(await twin.seen(["a", "b", "c", "e"])).toEqual(await eu.seen(["a", "b", "c", "e"]));
  expect(twin.storage.conflicts("", 10)).toEqual(eu.storage.conflicts("", 10));
  expect(twin.storage.endedConflicts("", 10)).toEqual(eu.storage.endedConflicts("", 10));

  const id = eu.storage.conflicts("", 10).conflicts[0]?.id as string;
  const resolve = encodeRegionOperation({ op: "resolve", id, choice: { keep: "winner" } });
  for (const node of [eu, twin]) {
    expect(await node.run(resolve)).toMatchObject({ ok: true });
    await node.write([put("b", { again: true }), link("e", "b", "a")]);
  }
  expect(await twin.storage.digest()).toEqual(await eu.storage.digest());
  await exchange(twin, us);
  expect(await us.seen(["a", "b", "c", "e"])).toEqual(await twin.seen(["a", "b", "c", "e"]));
});

test("ST-38 MR-20 a region's own note is put right, and counts from then on", async () => {
  const [eu, twin] = await twins();
  await damage(
    twin,
    `UPDATE region_notes SET text = replace(text, '"have":[["eu",3],["us",1]]', '"have":[["eu",9],["us",1]]')
     WHERE id = 'region'`,
  );
  const keys = await differing(eu, twin);
  expect(keys).toEqual(["s:region"]);
  await twin.storage.content.repair(await recordsOf(eu, keys));
  expect(twin.storage.region()).toEqual(eu.storage.region());
  for (const node of [eu, twin]) await node.write([put("d")]);
  expect(await twin.storage.digest()).toEqual(await eu.storage.digest());
});

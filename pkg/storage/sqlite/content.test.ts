import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { settle, VirtualTime } from "../../../test/support/index.js";
import type {
  ComparableContent,
  ContentQuery,
  ContentSums,
} from "../../replication/ports/index.js";
import { prefixHash } from "../content/inspect-content.js";
import { STORAGE_LIMITS } from "../limits.js";
import { createMemoryStorage } from "../memory/memory-storage.js";
import type { Storage } from "../storage.js";
import { openSqliteStorage } from "./open-sqlite-storage.js";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "content-"));
  path = join(folder, "graph.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const openSqlite = () => openSqliteStorage({ path, threads: "single" });
const STORES = [
  ["memory", async () => createMemoryStorage()],
  ["sqlite", openSqlite],
] as const;

function contentOf(storage: Storage): ComparableContent {
  if (storage.content === undefined) throw new Error("it can be compared");
  return storage.content;
}

/** Nodes n0, n1, …, an edge from each to the next, and an index. */
async function fill(storage: Storage, nodes: number, log = new Entries()): Promise<Entries> {
  const batch = [log.command([{ op: "create_index", label: "L", property: "v" }])];
  for (let i = 0; i < nodes; i += 1) {
    batch.push(log.command([{ op: "put_node", id: `n${i}`, labels: ["L"], properties: { v: i } }]));
    if (i === 0) continue;
    const edge = {
      op: "put_edge",
      id: `e${i}`,
      from: `n${i - 1}`,
      to: `n${i}`,
      type: "T",
    } as const;
    batch.push(log.command([edge]));
  }
  await storage.applyBatch(batch);
  return log;
}

const total = (sums: ContentSums) => sums.counts.reduce((sum, count) => sum + count, 0);

describe.each(STORES)("content: %s", (_name, open) => {
  test("ST-35 what was fixed stays as it was while applying goes on, and its sums are the digest's", async () => {
    const storage = await open();
    const log = await fill(storage, 40);
    const content = contentOf(storage);
    const before = await storage.digest();
    expect(await content.fix()).toEqual(before.position);
    await storage.applyBatch([log.command([{ op: "delete_node", id: "n0", detach: true }])]);
    await storage.applyBatch([log.command([{ op: "put_node", id: "later" }])]);
    const sums = await content.inspect({ kind: "sums" });
    expect(sums.sums).toEqual(before.shards);
    expect(total(sums)).toBe(40 + 39 + 1);
    const [gone, late] = await content.inspect({ kind: "records", keys: ["n:n0", "n:later"] });
    expect(gone?.value).toMatchObject({ kind: "n", id: "n0", properties: '{"v":0}', version: 2 });
    expect(late?.value).toBeNull();
    await content.release();
    await content.release();
    await expect(content.inspect({ kind: "sums" })).rejects.toThrow();
    await storage.close();
  });

  test("ST-36 shards narrow to buckets, buckets to keys with hash and version", async () => {
    const storage = await open();
    await fill(storage, 60);
    const content = contentOf(storage);
    await content.fix();
    const { sums } = await content.inspect({ kind: "sums" });
    const place = crc32("n:n7") % 2 ** 20;
    const [buckets] = await content.inspect({ kind: "buckets", shards: [place % 1024] });
    expect(buckets?.reduce((sum, bucket) => (sum + bucket) % 2 ** 48, 0)).toBe(sums[place % 1024]);
    const found = await content.inspect({ kind: "keys", places: [place], keysMax: 5 });
    expect(found).toEqual([{ key: "n:n7", hash: expect.any(Number), version: 15 }]);
    expect(buckets?.[Math.floor(place / 1024)]).toBe(found?.[0]?.hash);
    const all = Array.from({ length: 60 }, (_, i) => crc32(`n:n${i}`) % 2 ** 20);
    expect(await content.inspect({ kind: "keys", places: all, keysMax: 5 })).toBeNull();
    await storage.close();
  });

  test("ST-37 a sample has at most so many keys of a shard, with checksum and prefix hash; the seed decides which", async () => {
    const storage = await open();
    const log = new Entries();
    const ids: string[] = [];
    for (let i = 0; ids.length < 30; i += 1) {
      if (crc32(`n:samePrefix${i}`) % 1024 === 5) ids.push(`samePrefix${i}`);
    }
    await storage.applyBatch(ids.map((id) => log.command([{ op: "put_node", id }])));
    const content = contentOf(storage);
    await content.fix();
    const ask = (seed: number) =>
      content.inspect({ kind: "sample", shards: [4, 5], keysMax: 10, seed });
    const [empty, full] = await ask(1);
    expect(empty).toMatchObject({ shard: 4, count: 0, keys: [] });
    expect(full).toMatchObject({ shard: 5, count: 30 });
    expect(full?.keys).toHaveLength(10);
    expect(new Set(full?.prefixHashes)).toEqual(new Set([prefixHash("samePref")]));
    expect(new Set(full?.checksums).size).toBe(10);
    expect(await ask(1)).toEqual([empty, full]);
    const seen = new Set<number>();
    for (let seed = 0; seed < 40; seed += 1) {
      for (const key of (await ask(seed))[1]?.keys ?? []) seen.add(key);
    }
    expect(seen.size).toBe(30);
    await storage.close();
  });

  test("ST-38 a repair replaces, adds and removes, makes the sums those of the content, and keeps the position", async () => {
    const good = await open();
    const log = await fill(good, 20);
    const content = contentOf(good);
    await content.fix();
    const keys = ["n:n3", "n:n4", "e:e5", "i:L\0v", "n:none"];
    const records = await content.inspect({ kind: "records", keys });
    const expected = await good.digest();
    const other = createMemoryStorage();
    await other.applyBatch([
      ...Array.from({ length: 39 }, () => new Entries().other("noop")).map((entry, i) => ({
        ...entry,
        index: (i + 1) as typeof entry.index,
      })),
      new Entries(39).command([{ op: "put_node", id: "none" }]),
    ]);
    await contentOf(other).repair(records);
    expect(await other.digest()).toEqual({
      position: expected.position,
      shards: (await other.recomputeDigest()).shards,
    });
    const page = await other.findNodes({ label: "L", limit: 10 }, expected.position);
    expect(page.items.map(({ id, version }) => [id, version])).toEqual([
      ["n3", 7],
      ["n4", 9],
    ]);
    expect(await other.getNode("none", expected.position)).toBeUndefined();
    expect((await other.counts(expected.position)).edges).toBe(1);
    const again = await contentOf(other).repair([]);
    expect(again).toEqual(expected.position);
    await other.applyBatch([log.command([{ op: "put_node", id: "n3", properties: { w: 1 } }])]);
    expect((await other.digest()).shards).toEqual((await other.recomputeDigest()).shards);
    await good.close();
  });

  test("ST-39 what a command did is told as long as it is kept", async () => {
    const storage = await open();
    const log = await fill(storage, 3);
    await storage.applyBatch([log.command([{ op: "delete_node", id: "n0", detach: true }])]);
    const content = contentOf(storage);
    await content.fix();
    const commands = await content.inspect({ kind: "commands", indexes: [1, 2, 7, 99] });
    expect(commands).toEqual(["index_created", "node_put", "edge_deleted,node_deleted", null]);
    await storage.close();
  });
});

/** Changes the file behind the back of everybody, while nobody has it open. */
function tamper(sql: string): void {
  const file = new Database(path);
  file.exec(sql);
  file.close();
}

test("ST-36 rows changed in the file are found by their bytes, whatever hash stands beside them", async () => {
  const storage = await openSqlite();
  await fill(storage, 30);
  const before = await storage.digest();
  await storage.close();
  tamper(`UPDATE nodes SET properties = '{"v":-1}' WHERE id = 'n3'; DELETE FROM edges WHERE id = 'e4';
    UPDATE edges SET to_id = 'n0' WHERE id = 'e9'; UPDATE nodes SET hash = hash + 1 WHERE id = 'n5'`);
  const reopened = await openSqlite();
  const content = contentOf(reopened);
  await content.fix();
  expect((await reopened.digest()).shards).toEqual(before.shards);
  const { sums } = await content.inspect({ kind: "sums" });
  const differing = sums.flatMap((sum, shard) => (sum === before.shards[shard] ? [] : [shard]));
  const touched = ["n:n3", "e:e4", "e:e9"].map((key) => crc32(key) % 1024);
  expect(differing).toEqual([...new Set(touched)].sort((a, b) => a - b));
  await reopened.close();
});

test("ST-38 a repaired file is found by label and index again, and writes go on from there", async () => {
  const good = createMemoryStorage();
  const goodLog = await fill(good, 30);
  const storage = await openSqlite();
  const log = await fill(storage, 30);
  await storage.close();
  tamper(`UPDATE nodes SET properties = 'no json', labels = '["X"]' WHERE id = 'n3';
    UPDATE nodes SET id = 'stranger' WHERE id = 'n4'; UPDATE nodes SET hash = 7 WHERE id = 'n6'`);
  const reopened = await openSqlite();
  await contentOf(good).fix();
  const keys = ["n:n3", "n:n4", "n:stranger"];
  const records = await contentOf(good).inspect({ kind: "records", keys });
  const position = await contentOf(reopened).repair(records);
  expect(await reopened.digest()).toEqual(await good.digest());
  expect(await reopened.recomputeDigest()).toEqual(await good.digest());
  expect(await reopened.durablePosition()).toEqual(position);
  const byIndex = { label: "L", where: [{ property: "v", value: 3 }], limit: 5 };
  expect((await reopened.findNodes(byIndex, position)).items).toMatchObject([{ id: "n3" }]);
  for (const [to, entries] of [
    [good, goodLog],
    [reopened, log],
  ] as const) {
    const patch = { op: "patch_node", id: "n6", properties: { w: 1 } } as const;
    await to.applyBatch([entries.command([patch])]);
  }
  expect((await reopened.digest()).shards).toEqual((await good.digest()).shards);
  await reopened.close();
});

test("ST-35 a question ends when what it looks at is let go; applying has its turn between two slices", async () => {
  const time = new VirtualTime();
  const storage = await openSqliteStorage({ path, threads: "single", timers: time });
  const log = await fill(storage, 600);
  const content = contentOf(storage);
  await content.fix();
  const asked = content.inspect({ kind: "sums" }).then(
    (sums) => total(sums),
    (error: Error) => error.message,
  );
  await storage.applyBatch([log.command([{ op: "put_node", id: "between" }])]);
  expect(await time.run(asked, { ticksMax: 100 })).toBe(600 + 599 + 1);
  await content.fix();
  const interrupted = content.inspect({ kind: "sums" }).catch((error: Error) => error.message);
  await content.release();
  expect(await time.run(interrupted, { ticksMax: 100 })).toBe("what was fixed has been let go");
  await storage.close();
});

/** Timers that count how often somebody gave others their turn. */
class CountingTime extends VirtualTime {
  turns = 0;

  override soon(run: () => void) {
    this.turns += 1;
    return super.soon(run);
  }
}

const ALL_SHARDS = Array.from({ length: STORAGE_LIMITS.digestShards }, (_, shard) => shard);
const LARGE = "x".repeat(200 * 1024);

test.each<[string, ContentQuery, number]>([
  ["sums", { kind: "sums" }, 1_200 / 256],
  ["sums of buckets", { kind: "buckets", shards: [1, 2] }, 1_200 / 256],
  ["keys of places", { kind: "keys", places: [1], keysMax: 10 }, 1_200 / 256],
  ["a sample", { kind: "sample", shards: ALL_SHARDS, keysMax: 100, seed: 1 }, 1_200 / 16],
])(
  "ST-40 writes have their turn all along while %s is made (FC-128)",
  async (_, query, turnsMin) => {
    const time = new CountingTime();
    const storage = await openSqliteStorage({ path, threads: "single", timers: time });
    const log = await fill(storage, 600);
    const content = contentOf(storage);
    await content.fix();
    let answered = false;
    const asked = content.inspect(query).finally(() => {
      answered = true;
    });
    let between = 0;
    for (; !answered && between < 1_000; between += 1) {
      await storage.applyBatch([log.command([{ op: "put_node", id: `between${between}` }])]);
      await time.run(settle(), { ticksMax: 10 });
    }
    await time.run(asked, { ticksMax: 10_000 });
    expect(time.turns).toBeGreaterThanOrEqual(Math.floor(turnsMin));
    expect(between).toBeGreaterThanOrEqual(Math.floor(turnsMin));
    await storage.close();
  },
);

test("ST-40 large things make slices of few (FC-128)", async () => {
  const time = new CountingTime();
  const storage = await openSqliteStorage({ path, threads: "single", timers: time });
  const log = new Entries();
  for (let i = 0; i < 40; i += 1) {
    const properties = { large: LARGE };
    await storage.applyBatch([log.command([{ op: "put_node", id: `n${i}`, properties }])]);
  }
  const content = contentOf(storage);
  await content.fix();
  const before = time.turns;
  await time.run(content.inspect({ kind: "sums" }), { ticksMax: 1_000 });
  expect(time.turns - before).toBeGreaterThanOrEqual(20);
  await storage.close();
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { toLogIndex } from "../../base/index.js";
import type { ApplyResult } from "../../replication/ports/index.js";
import { openSqliteStorage } from "../sqlite/open-sqlite-storage.js";
import type { ObjectOperation, Replica } from "./catalogue.js";
import { encodeObjectOperation, ObjectCommandType } from "./commands.js";
import { openObjectCatalogue, type SqliteObjectCatalogue } from "./open-object-catalogue.js";

let folder: string;
let catalogue: SqliteObjectCatalogue;
let log: Entries;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "objects-"));
  catalogue = await open("objects");
  log = new Entries();
});
afterEach(async () => {
  await catalogue.close();
  rmSync(folder, { recursive: true });
});

const open = (name: string) => openObjectCatalogue({ path: join(folder, `${name}.db`) });
const entryOf = (operation: ObjectOperation) => log.plain(encodeObjectOperation(operation));
const at = () => catalogue.getWALPosition();

async function apply(...operations: readonly ObjectOperation[]): Promise<readonly ApplyResult[]> {
  return await catalogue.applyBatch(operations.map(entryOf));
}

const codes = (results: readonly ApplyResult[]) => results.map((r) => (r.ok ? "ok" : r.code));
const mount = (segment: string, bytes = 1_000): ObjectOperation => ({
  op: "mount_segment",
  segment,
  bytes,
  address: `${segment}:9000`,
});
const on = (segment: string, offset = 0, bytes = 100): Replica => ({ segment, offset, bytes });
const start = (key: string, ...replicas: readonly Replica[]): ObjectOperation => ({
  op: "put_start",
  key,
  replicas,
});
const end = (key: string, put: number): ObjectOperation => ({ op: "put_end", key, put });
const usedOf = async () =>
  Object.fromEntries((await catalogue.segments(await at())).map((s) => [s.segment, s.used]));
const keysOf = async () =>
  (await catalogue.findObjects({ limit: 100 }, await at())).items.map(({ key }) => key);

test("OC-1 a put under way cannot be seen, one that has ended can", async () => {
  await apply(mount("s1"), start("a", on("s1")));
  expect(await catalogue.getObject("a", await at())).toBeUndefined();
  expect(await keysOf()).toEqual([]);
  expect((await catalogue.pendingPuts({ limit: 10 }, await at())).items).toEqual([
    { key: "a", put: 2, startedMs: Date.parse("2026-01-02T03:04:05Z") },
  ]);
  await apply(end("a", 2));
  expect(await catalogue.getObject("a", await at())).toEqual({
    key: "a",
    replicas: [on("s1")],
    version: 3,
  });
  expect(await keysOf()).toEqual(["a"]);
  expect((await catalogue.pendingPuts({ limit: 10 }, await at())).items).toEqual([]);
  expect(await catalogue.counts(await at())).toEqual({ objects: 1, pending: 0, segments: 1 });
});

test("OC-2 only the put that is named is ended or revoked; a revoked one gives back key and room", async () => {
  await apply(mount("s1"), start("a", on("s1")));
  const revoke = (put: number): ObjectOperation => ({ op: "put_revoke", key: "a", put });
  expect(codes(await apply(end("a", 1), revoke(1), end("b", 2)))).toEqual(
    Array(3).fill("NOT_FOUND"),
  );
  expect(codes(await apply(revoke(2), end("a", 2)))).toEqual(["ok", "NOT_FOUND"]);
  expect(await usedOf()).toEqual({ s1: 0 });
  const results = await apply(start("a", on("s1")), end("a", 8), end("a", 8), revoke(8));
  expect(codes(results)).toEqual(["ok", "ok", "ok", "CONFLICT"]);
  expect(results[2]).toMatchObject({ value: { outcome: "unchanged", version: 9 } });
  expect(await usedOf()).toEqual({ s1: 100 });
});

test("OC-3 a key that can be read or is being put is not put again", async () => {
  await apply(mount("s1"), start("a", on("s1")), start("b", on("s1")), end("b", 3));
  expect(codes(await apply(start("a", on("s1")), start("b", on("s1"))))).toEqual([
    "CONFLICT",
    "CONFLICT",
  ]);
  expect(await usedOf()).toEqual({ s1: 200 });
});

test("OC-4 copies need mounted segments with room, and a refused put takes none", async () => {
  await apply(mount("s1", 250), mount("s2", 50));
  const results = await apply(
    start("a", on("s1"), on("missing")),
    start("a", on("s1"), on("s2")),
    start("a", on("s1", 200)),
    start("a", on("s1"), on("s2", 0, 50)),
    start("b", on("s1", 100)),
    start("c", on("s1", 0, 51)),
  );
  expect(codes(results)).toEqual(["CONFLICT", "CONFLICT", "CONFLICT", "ok", "ok", "CONFLICT"]);
  expect(results[5]).toMatchObject({ message: expect.stringContaining("has 50 free") });
  expect(await usedOf()).toEqual({ s1: 200, s2: 50 });
});

test("OC-5 remove takes what can be read, at the version that is named", async () => {
  await apply(mount("s1"), start("a", on("s1")), end("a", 2), start("b", on("s1")));
  const remove = (key: string, version?: number): ObjectOperation =>
    version === undefined ? { op: "remove", key } : { op: "remove", key, version };
  const results = await apply(remove("a", 2), remove("b"), remove("c"), remove("a", 3));
  expect(codes(results)).toEqual(["VERSION_MISMATCH", "CONFLICT", "NOT_FOUND", "ok"]);
  expect(codes(await apply(remove("a")))).toEqual(["NOT_FOUND"]);
  expect(await usedOf()).toEqual({ s1: 100 });
});

test("OC-6 a segment is mounted once; the same again is unchanged, another is refused", async () => {
  const results = await apply(mount("s1"), mount("s1"), mount("s1", 5), {
    op: "unmount_segment",
    segment: "s2",
  });
  expect(codes(results)).toEqual(["ok", "ok", "CONFLICT", "NOT_FOUND"]);
  expect(results[1]).toMatchObject({ value: { outcome: "unchanged", version: 1 } });
});

test("OC-7 unmounting hides what has no other copy, for good, and leaves the key free", async () => {
  await apply(mount("s1"), mount("s2"));
  await apply(start("one", on("s1")), end("one", 3));
  await apply(start("two", on("s1"), on("s2")), end("two", 5));
  await apply(start("late", on("s1")), { op: "unmount_segment", segment: "s1" });
  expect(await keysOf()).toEqual(["two"]);
  expect((await catalogue.getObject("two", await at()))?.replicas).toEqual([on("s2")]);
  expect(codes(await apply(end("late", 7), { op: "remove", key: "one" }))).toEqual([
    "NOT_FOUND",
    "NOT_FOUND",
  ]);
  await apply(mount("s1"));
  expect(await keysOf()).toEqual(["two"]);
  expect(await usedOf()).toEqual({ s1: 0, s2: 100 });
  expect(codes(await apply(start("one", on("s1")), end("one", 12)))).toEqual(["ok", "ok"]);
  expect(await keysOf()).toEqual(["one", "two"]);
});

test("OC-8 eviction takes what it lists at those versions, and every replay takes the same", async () => {
  const operations: readonly ObjectOperation[] = [
    mount("s1"),
    start("a", on("s1")),
    end("a", 2),
    start("b", on("s1")),
    end("b", 4),
    start("c", on("s1")),
    {
      op: "evict",
      objects: [
        { key: "a", version: 3 },
        { key: "a", version: 3 },
        { key: "b", version: 4 },
        { key: "c", version: 6 },
        { key: "d", version: 1 },
      ],
    },
  ];
  const entries = operations.map(entryOf);
  const results = await catalogue.applyBatch(entries);
  expect(results.at(-1)).toMatchObject({ value: { evicted: ["a"], kept: ["a", "b", "c", "d"] } });
  expect(await usedOf()).toEqual({ s1: 200 });
  const [last] = (await catalogue.changes(toLogIndex(6), 10)).map(({ effects }) => effects);
  expect(last).toEqual([{ kind: "object_evicted", key: "a" }]);
  const replica = await open("replica");
  for (const entry of entries) await replica.applyBatch([entry]);
  expect(await replica.digest()).toEqual(await catalogue.digest());
  await replica.close();
});

test("OC-9 each of the seven operations is one command and one entry, and names a field that is wrong", async () => {
  const seven: readonly ObjectOperation[] = [
    mount("s1"),
    start("a", on("s1")),
    end("a", 2),
    { op: "remove", key: "a" },
    start("b", on("s1")),
    { op: "put_revoke", key: "b", put: 5 },
    { op: "evict", objects: [{ key: "a", version: 3 }] },
    { op: "unmount_segment", segment: "s1" },
  ];
  const types = new Set(seven.map((operation) => encodeObjectOperation(operation).type));
  expect([...types].sort()).toEqual(Object.values(ObjectCommandType).sort());
  expect(codes(await apply(...seven))).toEqual(Array(8).fill("ok"));
  expect((await at()).index).toBe(8);
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ op: "put_start", key: "", replicas: [on("s")] }, "key"],
    [{ op: "put_start", key: "a\u0000", replicas: [on("s")] }, "key"],
    [{ op: "put_start", key: "x".repeat(513), replicas: [on("s")] }, "key"],
    [{ op: "put_start", key: "a", replicas: [] }, "replicas"],
    [{ op: "put_start", key: "a", replicas: Array(17).fill(on("s")) }, "replicas"],
    [{ op: "put_start", key: "a", replicas: [on("s"), on("s")] }, "replicas[1].segment"],
    [{ op: "put_start", key: "a", replicas: [on("s", 0, 0)] }, "replicas[0].bytes"],
    [{ op: "put_start", key: "a", replicas: [{ ...on("s"), x: 1 }] }, "replicas[0]"],
    [{ op: "put_end", key: "a", put: -1 }, "put"],
    [{ op: "remove", key: "a", force: true }, "force"],
    [{ op: "mount_segment", segment: "s", bytes: 2 ** 53, address: "a" }, "bytes"],
    [{ op: "evict", objects: [{ key: "a", version: "1" }] }, "objects[0].version"],
    [{ op: "format" }, "op"],
  ];
  for (const [operation, field] of wrong) {
    expect(() => encodeObjectOperation(operation as ObjectOperation)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ field }) }),
    );
  }
});

test("OC-13 pages are in order, go on behind their cursor, and keep to the prefix", async () => {
  await apply(mount("s1"));
  for (const key of ["b/1", "a/2", "a/1", "a/3", "b/2"]) await apply(start(key, on("s1")));
  const puts = (await catalogue.pendingPuts({ limit: 100 }, await at())).items;
  await apply(...puts.map(({ key, put }) => end(key, put)));
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await catalogue.findObjects({ prefix: "a/", limit: 2, cursor }, await at());
    seen.push(...page.items.map(({ key }) => key));
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(seen).toEqual(["a/1", "a/2", "a/3"]);
  const first = await catalogue.evictable({ limit: 2 }, await at());
  const rest = await catalogue.evictable({ limit: 9, cursor: first.cursor }, await at());
  expect([...first.items, ...rest.items].map(({ key }) => key)).toEqual([
    "b/1",
    "a/2",
    "a/1",
    "a/3",
    "b/2",
  ]);
  const late = { ...(await at()), index: toLogIndex(99) };
  await expect(catalogue.findObjects({ limit: 1 }, late)).rejects.toMatchObject({
    code: "LAGGING",
  });
  await expect(catalogue.segments({ ...late })).rejects.toMatchObject({ code: "LAGGING" });
});

test("OC-14 the change stream tells what each command did", async () => {
  await apply(mount("s1"), start("a", on("s1")), end("a", 2), { op: "remove", key: "a" });
  await apply(start("b", on("s1")), { op: "put_revoke", key: "b", put: 5 });
  await apply({ op: "unmount_segment", segment: "s1" });
  const changes = await catalogue.changes(toLogIndex(0), 100);
  expect(changes.flatMap(({ effects }) => effects.map(({ kind }) => kind))).toEqual([
    "segment_mounted",
    "put_started",
    "put_ended",
    "object_removed",
    "put_started",
    "put_revoked",
    "segment_unmounted",
  ]);
});

test("OC-16 a file of the graph is refused, and one of the catalogue by the graph", async () => {
  const path = join(folder, "graph.db");
  await (await openSqliteStorage({ path, threads: "single" })).close();
  await expect(openObjectCatalogue({ path })).rejects.toMatchObject({
    code: "STORAGE_FAILED",
    message: expect.stringContaining("holds graph, not objects"),
  });
  await catalogue.close();
  const mine = join(folder, "objects.db");
  await expect(openSqliteStorage({ path: mine, threads: "single" })).rejects.toMatchObject({
    message: expect.stringContaining("holds objects, not graph"),
  });
});

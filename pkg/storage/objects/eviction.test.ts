import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { VirtualTime } from "../../../test/support/index.js";
import type { ObjectOperation } from "./catalogue.js";
import { encodeObjectOperation } from "./commands.js";
import { ObjectLeases } from "./object-leases.js";
import { openObjectCatalogue, type SqliteObjectCatalogue } from "./open-object-catalogue.js";
import { planEviction } from "./plan-eviction.js";

const LEASE_MS_MAX = 5_000;

let folder: string;
let catalogue: SqliteObjectCatalogue;
let log: Entries;
let time: VirtualTime;
let leases: ObjectLeases;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "eviction-"));
  catalogue = await openObjectCatalogue({ path: join(folder, "objects.db") });
  log = new Entries();
  time = new VirtualTime();
  leases = new ObjectLeases({ clock: time, leaseMsMax: LEASE_MS_MAX });
});
afterEach(async () => {
  await catalogue.close();
  rmSync(folder, { recursive: true });
});

async function apply(...operations: readonly ObjectOperation[]): Promise<void> {
  const entries = operations.map((operation) => log.plain(encodeObjectOperation(operation)));
  for (const result of await catalogue.applyBatch(entries))
    expect(result).toMatchObject({ ok: true });
}

/** Objects of 100 bytes, put in this order. */
async function fill(segment: string, ...keys: readonly string[]): Promise<void> {
  await apply({ op: "mount_segment", segment, bytes: 10_000, address: "here" });
  for (const key of keys) {
    await apply({ op: "put_start", key, replicas: [{ segment, offset: 0, bytes: 100 }] });
    const { index } = await catalogue.getWALPosition();
    await apply({ op: "put_end", key, put: index });
  }
}

async function plan(bytes: number) {
  const atLeast = await catalogue.getWALPosition();
  const planned = await planEviction(catalogue, leases, { bytes, atLeast });
  return planned && { ...planned, keys: planned.operation.objects.map(({ key }) => key) };
}

test("OC-10 leases and pins are in no digest and in no snapshot", async () => {
  await fill("s1", "a");
  const before = await catalogue.digest();
  leases.lease("a", LEASE_MS_MAX);
  leases.pin("a", LEASE_MS_MAX);
  expect(await catalogue.digest()).toEqual(before);
  const snapshot = await catalogue.snapshot();
  const other = await openObjectCatalogue({ path: join(folder, "other.db") });
  await other.restore(snapshot.chunks());
  await snapshot.close();
  expect(await other.digest()).toEqual(before);
  await other.close();
});

test("OC-11 a lease lasts by the monotonic clock and is never shortened", async () => {
  await time.advance(LEASE_MS_MAX);
  expect(leases.isLeased("a")).toBe(false);
  leases.lease("a", 3_000);
  leases.lease("a", 10);
  leases.pin("b", 3_000);
  await time.advance(2_999);
  expect([leases.isLeased("a"), leases.isPinned("b")]).toEqual([true, true]);
  expect([leases.isLeased("b"), leases.isPinned("a")]).toEqual([false, false]);
  await time.advance(1);
  expect([leases.isLeased("a"), leases.isPinned("b")]).toEqual([false, false]);
  for (const forMs of [0, -1, Number.NaN, LEASE_MS_MAX + 1]) {
    expect(() => leases.lease("a", forMs)).toThrow(expect.objectContaining({ code: "INVALID" }));
  }
});

test("OC-11 whoever begins to lead waits out the leases that others may have given", async () => {
  await fill("s1", "a");
  expect(leases.isLeased("a")).toBe(true);
  expect(await plan(100)).toBeUndefined();
  await time.advance(LEASE_MS_MAX);
  expect((await plan(100))?.keys).toEqual(["a"]);
  leases.beginLeading();
  expect(await plan(100)).toBeUndefined();
  await time.advance(LEASE_MS_MAX);
  expect((await plan(100))?.keys).toEqual(["a"]);
});

test("OC-12 a plan takes what is hidden, then the oldest, then what is pinned, and never what is leased", async () => {
  await fill("s1", "gone");
  await apply({ op: "unmount_segment", segment: "s1" });
  await fill("s2", "pinned", "oldest", "leased", "newest");
  await time.advance(LEASE_MS_MAX);
  leases.pin("pinned", 1_000);
  leases.lease("leased", 1_000);
  expect(await plan(0)).toMatchObject({ keys: ["gone"], bytes: 0 });
  expect(await plan(150)).toMatchObject({ keys: ["gone", "oldest", "newest"], bytes: 200 });
  const all = await plan(10_000);
  expect(all).toMatchObject({ keys: ["gone", "oldest", "newest", "pinned"], bytes: 300 });
  if (all !== undefined) await apply(all.operation);
  const position = await catalogue.getWALPosition();
  const left = await catalogue.findObjects({ limit: 10 }, position);
  expect(left.items.map(({ key }) => key)).toEqual(["leased"]);
  expect(await catalogue.counts(position)).toEqual({ objects: 1, pending: 0, segments: 1 });
});

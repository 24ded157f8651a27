import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Entries } from "../../test/contract/storage-contract.js";
import { seededRandom, VirtualTime } from "../../test/support/index.js";
import type { Entry } from "../replication/ports/index.js";
import type { Operation } from "./graph.js";
import { createMemoryStorage } from "./memory/memory-storage.js";
import { openSqliteStorage } from "./sqlite/open-sqlite-storage.js";

const WINDOW = 200;

function randomOperation(below: (bound: number) => number): Operation {
  const id = `n${below(60)}`;
  const edge = `e${below(80)}`;
  const value = [below(3), String(below(3)), true, null, [below(2)], { k: below(2) }][below(6)];
  const labels = ["A", "B", "C"].slice(below(3));
  switch (below(10)) {
    case 0:
      return { op: "patch_node", id, properties: { p: value ?? null } };
    case 1:
      return { op: "delete_node", id, detach: below(2) === 0 };
    case 2:
    case 3:
      return { op: "put_edge", id: edge, from: id, to: `n${below(60)}`, type: "T" };
    case 4:
      return { op: "patch_edge", id: edge, properties: { q: value ?? null } };
    case 5:
      return { op: "delete_edge", id: edge };
    case 6:
      return below(20) > 0
        ? { op: "delete_edge", id: edge, if: { version: below(100) } }
        : { op: below(2) === 0 ? "create_index" : "drop_index", label: "A", property: "p" };
    default:
      return { op: "put_node", id, labels, properties: { p: value ?? null } };
  }
}

function randomLog(seed: number, commands: number): Entry[] {
  const random = seededRandom(seed);
  const below = (bound: number) => random.below(bound);
  const log = new Entries();
  return Array.from({ length: commands }, () => {
    if (below(30) === 0) return log.other("noop");
    const operations = Array.from({ length: 1 + below(4) }, () => randomOperation(below));
    return log.command(operations, { RequestID: below(5) === 0 ? "" : `r${below(commands)}` });
  });
}

test("ST-22, ST-24 after random operations both stores agree with each other and with their content, over restarts (FC-018)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "digest-"));
  const open = () =>
    openSqliteStorage({
      path: join(folder, "graph.db"),
      threads: "single",
      timers: new VirtualTime(),
      rememberedRequestsMax: WINDOW,
    });
  let sqlite = await open();
  const memory = createMemoryStorage({ rememberedRequestsMax: WINDOW });
  const log = randomLog(7, 6_000);
  for (let at = 0; at < log.length; at += 500) {
    const part = log.slice(at, at + 500);
    const results = [];
    for (let i = 0; i < part.length; i += 37) {
      results.push(...(await sqlite.applyBatch(part.slice(i, i + 37))));
    }
    expect(results).toEqual(await memory.applyBatch(part));
    expect(await sqlite.digest()).toEqual(memory.digest());
    expect(await sqlite.recomputeDigest()).toEqual(memory.recomputeDigest());
    expect(memory.recomputeDigest()).toEqual(memory.digest());
    await sqlite.close();
    sqlite = await open();
  }
  const position = memory.getWALPosition();
  const query = { label: "A", where: [{ property: "p", value: 1 }], limit: 100 };
  expect(await sqlite.findNodes(query, position)).toEqual(await memory.findNodes(query, position));
  expect(await sqlite.counts(position)).toEqual(await memory.counts(position));
  await sqlite.close();
  rmSync(folder, { recursive: true });
});

const uuidAt = (ms: number) => {
  const hex = ms.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
};

test("ST-23 a retry whose record has left the window is refused, fresh ids never are (FC-146)", async () => {
  const storage = createMemoryStorage({ rememberedRequestsMax: 10 });
  const log = new Entries();
  const startMs = Date.parse("2026-01-01T00:00:00Z");
  const write = (id: number, ms: number, requestMs: number) =>
    log.command([{ op: "put_node", id: `n${id}` }], {
      RequestID: uuidAt(requestMs),
      Timestamp: new Date(ms).toISOString(),
    });
  for (let i = 0; i < 25; i += 1) {
    const ms = startMs + i * 1_000;
    expect((await storage.applyBatch([write(i, ms, ms)]))[0]?.ok).toBe(true);
  }
  const lateMs = startMs + 30_000;
  const [forgotten] = await storage.applyBatch([write(100, lateMs, startMs + 3_000)]);
  expect(forgotten).toMatchObject({ ok: false, code: "CONFLICT", replayed: false });
  const [remembered] = await storage.applyBatch([write(101, lateMs, startMs + 22_000)]);
  expect(remembered).toMatchObject({ ok: true, replayed: true });
  const [slowClock] = await storage.applyBatch([write(102, startMs + 9_000, startMs + 8_500)]);
  expect(slowClock).toMatchObject({ ok: true, replayed: false });
});

test("ST-14 changes that are no longer kept are COMPACTED", async () => {
  const storage = createMemoryStorage({ rememberedRequestsMax: 10 });
  const log = new Entries();
  for (let i = 0; i < 30; i += 1) {
    storage.applyBatch([log.command([{ op: "put_node", id: `n${i}` }])]);
  }
  const { index } = storage.getWALPosition();
  await expect(storage.changes((index - 11) as typeof index, 5)).rejects.toMatchObject({
    code: "COMPACTED",
  });
  expect(await storage.changes((index - 10) as typeof index, 5)).toHaveLength(5);
});

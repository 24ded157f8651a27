import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Entries } from "../../test/contract/entries.js";
import { createMemoryStorage } from "./memory/memory-storage.js";
import { openSqliteStorage } from "./sqlite/open-sqlite-storage.js";

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

const openMemory = async () => createMemoryStorage({ rememberedRequestsMax: 10 });
const openSqlite = async () =>
  openSqliteStorage({
    path: join(folder, "graph.db"),
    threads: "single",
    rememberedRequestsMax: 10,
  });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "engine-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  ["memory", openMemory],
  ["sqlite", openSqlite],
])("ST-14 changes that are no longer kept are COMPACTED: %s (FC-157)", async (_name, open) => {
  const storage = await open();
  const log = new Entries();
  for (let i = 0; i < 30; i += 1) {
    await storage.applyBatch([log.command([{ op: "put_node", id: `n${i}` }])]);
  }
  const { index } = await storage.getWALPosition();
  await expect(storage.changes((index - 11) as typeof index, 5)).rejects.toMatchObject({
    code: "COMPACTED",
  });
  expect(await storage.changes((index - 10) as typeof index, 5)).toHaveLength(5);
  await storage.close();
});

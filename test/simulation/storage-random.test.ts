import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Entry } from "../../pkg/replication/ports/index.js";
import { createMemoryStorage, type Operation, openSqliteStorage } from "../../pkg/storage/index.js";
import { Entries } from "../contract/entries.js";
import { seededRandom, VirtualTime } from "../support/index.js";

/** Commands of the run; the long lane asks for more. */
const COMMANDS = Number(process.env.SIM_OPERATIONS ?? 20_000);

const WINDOW = 200;

function randomOperation(below: (bound: number) => number): Operation {
  const id = `n${below(60)}`;
  const edge = `e${below(80)}`;
  const value = [below(3), String(below(3)), true, null, [below(2)], { k: below(2) }][below(6)];
  const labels = ["A", "B", "C"].slice(below(3));
  switch (below(12)) {
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
    case 10:
      return { op: "increment_node", id, property: "p", by: below(5) - 2 };
    case 11:
      return { op: "increment_edge", id: edge, property: "q", by: below(5) - 2 };
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

test("ST-22 ST-24 after random operations both stores agree with each other and with their content, over restarts (FC-018)", async () => {
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
  const log = randomLog(Number(process.env.SIM_SEED ?? 7), COMMANDS);
  for (let at = 0; at < log.length; at += 1_000) {
    const part = log.slice(at, at + 1_000);
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

test("ST-26 after a full disk the position fell back, and applying again from there ends in the same state", async () => {
  const folder = mkdtempSync(join(tmpdir(), "full-"));
  const path = join(folder, "graph.db");
  const open = (sizeBytesMax?: number) =>
    openSqliteStorage({ path, threads: "single", timers: new VirtualTime(), sizeBytesMax });
  const memory = createMemoryStorage();
  const log = randomLog(11, 3_000);
  await memory.applyBatch(log);
  let fallbacks = 0;
  let applied = 0;
  for (let kib = 200; applied < log.length; kib += 100) {
    const storage = await open(kib * 1024);
    applied = (await storage.getWALPosition()).index;
    try {
      while (applied < log.length) {
        await storage.applyBatch(log.slice(applied, applied + 40));
        applied = (await storage.getWALPosition()).index;
        if (applied % 200 === 0) await storage.flush();
      }
      await storage.flush();
      expect(await storage.digest()).toEqual(memory.digest());
      expect(await storage.recomputeDigest()).toEqual(memory.digest());
    } catch (error) {
      expect(error).toMatchObject({ code: "STORAGE_FULL" });
      const { index } = await storage.getWALPosition();
      expect(index).toBeLessThanOrEqual(applied);
      expect(index).toBe((await storage.durablePosition()).index);
      expect(await storage.recomputeDigest()).toEqual(await storage.digest());
      fallbacks += 1;
    }
    await storage.close();
  }
  expect(fallbacks).toBeGreaterThan(2);
  rmSync(folder, { recursive: true });
}, 60_000);

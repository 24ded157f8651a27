import { describe, expect, test } from "vitest";
import { toLogIndex } from "../../pkg/base/index.js";
import { type Entry, LogError } from "../../pkg/replication/ports/index.js";
import type { SegmentedLog } from "../../pkg/storage/log/index.js";
import { settle } from "../support/index.js";
import {
  crashingFileSystem,
  entry,
  hardState,
  newWorld,
  openLog,
  text,
  type World,
} from "./log-world.js";

const SMALL = { segmentBytesMax: 500 };

/** Three segments with a cut inside; `closed` tells whether the log was closed in order. */
async function smallLog(
  seed: string,
  closed: boolean,
): Promise<{ world: World; entries: Entry[] }> {
  const world = newWorld(seed);
  const log = await openLog(world, SMALL);
  const add = async (from: number, term: number, count: number) => {
    log.append(
      Array.from({ length: count }, (_, i) => entry(from + i, term, `t${term}-${from + i}`)),
    );
    await log.sync();
  };
  await add(1, 1, 3);
  log.saveHardState(hardState(1, 2, "a"));
  await add(4, 1, 4);
  log.truncateSuffix(toLogIndex(6));
  await add(6, 2, 5);
  await add(11, 2, 4);
  const entries = log.read(log.firstIndex, log.last.index, 1e9);
  if (closed) await log.close();
  world.disk.kill();
  return { world, entries };
}

function contents(log: SegmentedLog): string[] {
  return log.read(log.firstIndex, log.last.index, 1e9).map(text);
}

async function openOrCode(world: World): Promise<SegmentedLog | string> {
  try {
    return await openLog(world, SMALL);
  } catch (error) {
    if (error instanceof LogError) return error.code;
    throw error;
  }
}

/** Flips the bit in copies of the files, so that each position starts from the same log. */
async function flipEverywhere(
  closed: boolean,
  bitsOf: (offset: number) => readonly number[],
): Promise<Record<string, number>> {
  const { world: origin, entries } = await smallLog("flip", closed);
  const good = entries.map(text);
  const files = [...origin.disk.snapshotFiles()].filter(([path]) => path.endsWith(".log"));
  expect(files.length).toBeGreaterThanOrEqual(3);
  const outcome: Record<string, number> = { refused: 0, sealCut: 0, tailCut: 0 };
  for (const [path, bytes] of files) {
    const flips = Array.from(bytes, (_, offset) => bitsOf(offset).map((bit) => [offset, bit]));
    for (const [offset, bit] of flips.flat() as [number, number][]) {
      const world = newWorld("copy");
      await world.disk.makeDirectory("/data/log");
      for (const [name, content] of files) {
        const file = world.disk.open(name, "create");
        file.write(content, 0);
        file.close();
      }
      world.disk.corrupt(path, offset, bit);
      const opened = await openOrCode(world);
      if (typeof opened === "string") {
        expect(opened).toBe("LOG_DAMAGED");
        outcome.refused = (outcome.refused ?? 0) + 1;
        continue;
      }
      const found = contents(opened);
      expect(found).toEqual(good.slice(0, found.length));
      const kind = found.length === good.length ? "sealCut" : "tailCut";
      outcome[kind] = (outcome[kind] ?? 0) + 1;
    }
  }
  return outcome;
}

describe("damage to the log", () => {
  test("LG-5 in a log that was closed in order each bit of each byte, when flipped, is refused or costs only the seal", async () => {
    const outcome = await flipEverywhere(true, () => [0, 1, 2, 3, 4, 5, 6, 7]);
    expect(outcome.tailCut).toBe(0);
    expect(outcome.refused).toBeGreaterThan(8_000);
    expect(outcome.sealCut).toBeLessThan(8 * 64);
  });

  test("LG-5 LG-6 in a log that was not, a flipped bit at any byte is refused or cuts only within the last batch", async () => {
    const outcome = await flipEverywhere(false, (offset) => [offset % 8]);
    expect(outcome.refused).toBeGreaterThan(800);
    const lastBatchBytes = 4 * (32 + "t2-11".length) + 41;
    expect((outcome.tailCut ?? 0) + (outcome.sealCut ?? 0)).toBeLessThanOrEqual(lastBatchBytes);
  });

  test("LG-4 a log torn at any length inside the last batch opens with what came before (FC-034)", async () => {
    const { world: origin, entries } = await smallLog("torn", false);
    const good = entries.map(text);
    const files = [...origin.disk.snapshotFiles()].filter(([path]) => path.endsWith(".log"));
    const [lastPath, lastBytes] = files.at(-1) as [string, Uint8Array];
    for (let size = 0; size < lastBytes.length; size += 1) {
      const world = newWorld("torn-copy");
      await world.disk.makeDirectory("/data/log");
      for (const [name, content] of files) {
        const file = world.disk.open(name, "create");
        file.write(name === lastPath ? content.subarray(0, size) : content, 0);
        file.close();
      }
      const opened = await openOrCode(world);
      if (typeof opened === "string") throw new Error(`size ${size}: ${opened}`);
      const found = contents(opened);
      expect(found).toEqual(good.slice(0, found.length));
      expect(found.length).toBeGreaterThanOrEqual(10);
    }
  });
});

/** Rotates, cuts, drops a prefix and resets; tells what was certain at the end of each step. */
async function script(world: World, crashAt: number): Promise<{ certain: number; calls: number }> {
  const crashing = crashingFileSystem(world.disk, crashAt);
  let certain = 0;
  try {
    const log = await openLog(world, { ...SMALL, fileSystem: crashing.fileSystem });
    for (let from = 1; from <= 25; from += 4) {
      log.append([0, 1, 2, 3].map((i) => entry(from + i, 1, `${"v".repeat(60)}${from + i}`)));
      await log.sync();
      certain = from + 3;
    }
    log.saveHardState(hardState(2, 12, "b"));
    log.truncateSuffix(toLogIndex(23));
    certain = 22;
    log.append([entry(23, 2, "new")]);
    await log.sync();
    certain = 23;
    await log.truncatePrefix(toLogIndex(12));
    await log.close();
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
  }
  await settle();
  return { certain, calls: crashing.calls() };
}

describe("a kill at every call", () => {
  test("LG-7 LG-10 the log opens after a crash at any call of the file system (FC-037) (FC-046)", async () => {
    const { calls } = await script(newWorld("all"), Number.MAX_SAFE_INTEGER);
    expect(calls).toBeGreaterThan(60);
    for (let crashAt = 1; crashAt <= calls; crashAt += 1) {
      for (let variant = 0; variant < 4; variant += 1) {
        const world = newWorld(`kill-${crashAt}-${variant}`);
        const { certain } = await script(world, crashAt);
        const log = await openLog(world, SMALL);
        expect(log.last.index, `call ${crashAt}`).toBeGreaterThanOrEqual(certain);
        expect(log.base.index).toBeLessThanOrEqual(12);
        for (const e of log.read(log.firstIndex, log.last.index, 1e9)) {
          const expected = e.term === 2 ? "new" : `${"v".repeat(60)}${e.index}`;
          expect(Buffer.from(e.payload).toString()).toBe(expected);
        }
        await log.close();
      }
    }
  });
});

import { describe, expect, test } from "vitest";
import { toLogIndex, toTerm } from "../../pkg/base/index.js";
import { type Entry, LogError } from "../../pkg/replication/ports/index.js";
import type { FileSystem } from "../../pkg/runtime/index.js";
import type { SegmentedLog } from "../../pkg/storage/log/index.js";
import { SECTOR_BYTES, seededRandom, settle } from "../support/index.js";
import {
  entry,
  hardState,
  newWorld,
  openLog,
  sameHardState,
  text,
  type World,
  withFiles,
} from "./log-world.js";

const SEEDS = Number(process.env.SIM_COUNT ?? 300);

/** Answers ENOSPC to the n-th write from now on, which may have written a part, or even all. */
function fillingFileSystem(world: World): {
  fileSystem: FileSystem;
  failWrite: (countdown: number) => void;
} {
  let countdown = 0;
  const fileSystem = withFiles(world.disk, (file) => ({
    write: (source, position) => {
      countdown -= 1;
      if (countdown === 0) world.disk.failNextWrite("ENOSPC");
      file.write(source, position);
    },
  }));
  return {
    fileSystem,
    failWrite: (writes) => {
      countdown = writes;
    },
  };
}

const some = (from: number, count: number, bytes: number, word: string): Entry[] =>
  Array.from({ length: count }, (_, i) => entry(from + i, 1, `${word} ${from + i}`.padEnd(bytes)));
const contents = (log: SegmentedLog) =>
  log.read(log.firstIndex, log.last.index, Number.MAX_SAFE_INTEGER).map(text);

/** @returns whether `action` was refused because the disk is full */
function isRefused(action: () => void): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (error instanceof LogError && error.code === "LOG_FULL") return true;
    throw error;
  }
}

describe("a full disk and then a power cut", () => {
  test("LG-8 nothing of a refused append comes back, however much of it had been written (FC-036)", async () => {
    const seen = { refused: 0, taken: 0, cutDurable: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const random = seededRandom(seed);
      const world = newWorld(`full-${seed}`);
      const { fileSystem, failWrite } = fillingFileSystem(world);
      const log = await openLog(world, { fileSystem });
      const kept = some(1, random.between(1, 4), random.below(2 * SECTOR_BYTES), "kept");
      log.append(kept);
      await log.sync();
      const next = kept.length + 1;
      const added = some(next, random.between(1, 12), random.below(SECTOR_BYTES), "refused");
      failWrite(random.between(1, 2));
      const refused = isRefused(() => log.append(added));
      seen[refused ? "refused" : "taken"] += 1;
      if (random.chance(1, 3)) await settle();
      if (refused && random.chance(1, 3)) {
        await log.sync();
        seen.cutDurable += 1;
      }
      world.disk.crash();
      const again = await openLog(world);
      const found = contents(again);
      const all = refused ? kept : [...kept, ...added];
      expect(found, `seed ${seed}`).toEqual(all.slice(0, found.length).map(text));
      expect(found.length).toBeGreaterThanOrEqual(kept.length);
    }
    expect(seen.refused).toBeGreaterThan(seen.taken);
    expect(seen.cutDurable).toBeGreaterThan(0);
  });

  test("LG-8 neither does a refused append that is written in several pieces (FC-036)", async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const world = newWorld(`pieces-${seed}`);
      const { fileSystem, failWrite } = fillingFileSystem(world);
      const log = await openLog(world, { fileSystem, segmentBytesMax: 64 * 1024 * 1024 });
      const kept = some(1, 2, 10, "kept");
      log.append(kept);
      await log.sync();
      failWrite(2 + (seed % 2));
      expect(isRefused(() => log.append(some(3, 5, 2 * 1024 * 1024, "refused")))).toBe(true);
      world.disk.crash({ keepPercent: 100, tornPercent: 0 });
      const again = await openLog(world);
      expect(again.last.index, `seed ${seed}`).toBe(kept.length);
      expect(contents(again)).toEqual(kept.map(text));
    }
  });

  test("LG-8 LG-12 a refused hard state does not come back either", async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const world = newWorld(`state-${seed}`);
      const { fileSystem, failWrite } = fillingFileSystem(world);
      const log = await openLog(world, { fileSystem });
      const voted = hardState(3, 0, "a");
      log.saveHardState(voted);
      await log.sync();
      failWrite(1 + (seed % 2));
      const refused = isRefused(() => log.saveHardState(hardState(4, 0, "b")));
      world.disk.crash();
      const { hardState: found } = await openLog(world);
      if (refused) expect(sameHardState(found, voted), `seed ${seed}`).toBe(true);
    }
  });

  test("LG-8 a segment that finds no room is begun later, and no crash between brings a hole", async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const world = newWorld(`rotate-${seed}`);
      const { fileSystem, failWrite } = fillingFileSystem(world);
      const options = { fileSystem, segmentBytesMax: 400 };
      const log = await openLog(world, options);
      const entries = some(1, 12, 60, "entry");
      log.append(entries.slice(0, 8));
      failWrite(1);
      await log.sync();
      const segments = () => world.disk.list("/data/log").filter((name) => name.endsWith(".log"));
      expect(segments().length).toBe(1);
      log.append(entries.slice(8));
      if (seed % 3 > 0) await log.sync();
      if (seed % 3 > 1) expect(segments().length).toBe(2);
      world.disk.crash();
      const found = contents(await openLog(world, { segmentBytesMax: 400 }));
      expect(found.length, `seed ${seed}`).toBeGreaterThanOrEqual(seed % 3 > 0 ? 12 : 8);
      expect(found).toEqual(entries.slice(0, found.length).map(text));
    }
  });

  test("LG-8 LG-11 a reset without room changes nothing and can be repeated", async () => {
    const world = newWorld("reset");
    const { fileSystem, failWrite } = fillingFileSystem(world);
    const log = await openLog(world, { fileSystem });
    const entries = some(1, 3, 20, "entry");
    log.append(entries);
    await log.sync();
    const base = { index: toLogIndex(9), term: toTerm(2) };
    failWrite(1);
    await expect(log.reset(base)).rejects.toMatchObject({ code: "LOG_FULL" });
    expect(contents(log)).toEqual(entries.map(text));
    world.disk.kill();
    const again = await openLog(world);
    expect(contents(again)).toEqual(entries.map(text));
    await again.reset(base);
    expect(again.last).toEqual(base);
  });
});

describe("a disk that stands still", () => {
  test("LG-1 nothing is acknowledged, everything is once it goes on (FC-047)", async () => {
    const world = newWorld("stalled");
    const log = await openLog(world);
    world.disk.stall();
    world.disk.syncDelayMs = 1;
    let acknowledged = 0;
    const waiting: Promise<unknown>[] = [];
    for (let i = 1; i <= 20; i += 1) {
      log.append(some(i, 1, 10, "entry"));
      waiting.push(
        log.sync().then((index) => {
          acknowledged = Math.max(acknowledged, index);
        }),
      );
      await settle();
      world.time.step();
    }
    expect([acknowledged, log.durableIndex]).toEqual([0, 0]);
    world.disk.unstall();
    await world.time.run(Promise.all(waiting), { ticksMax: 100 });
    expect([acknowledged, log.durableIndex]).toEqual([20, 20]);
  });
});

describe("who writes where", () => {
  test("LG-18 every write names its place and none overlaps one that may be under way (FC-186)", async () => {
    const world = newWorld("places");
    const ends = new Map<string, number>();
    const fileSystem = withFiles(world.disk, (file, mode) => {
      if (mode === "write") ends.set(file.path, file.sizeBytes());
      return {
        write: (source, position) => {
          const end = ends.get(file.path) ?? 0;
          const isChecksum = source.length === 4 && position < end;
          if (!isChecksum) {
            expect(position).toBe(end);
            ends.set(file.path, position + source.length);
          }
          file.write(source, position);
        },
        truncate: () => expect.unreachable("nothing is cut while all is well"),
      };
    });
    const log = await openLog(world, { fileSystem });
    const waiting: Promise<unknown>[] = [];
    for (let i = 1; i <= 120; i += 3) {
      log.append(some(i, 3, 50, "entry"));
      if (i % 4 === 0) log.saveHardState(hardState(i, 0, "a"));
      waiting.push(log.sync());
      if (i % 5 === 0) await settle();
    }
    await Promise.all(waiting);
    await log.close();
    expect(ends.size).toBeGreaterThan(3);
    expect(contents(await openLog(world)).length).toBe(120);
  });
});

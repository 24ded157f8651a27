import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  DIRECTORY,
  entry,
  hardState,
  newWorld,
  openLog,
  sameHardState,
  text,
} from "../../../test/simulation/log-world.js";
import { InvariantViolation, toLogIndex, toTerm } from "../../base/index.js";
import type { Entry, HardState } from "../../replication/ports/index.js";
import { decodeHeader, encodeHeader, type SegmentHeader } from "./format.js";
import { cutLog, type SegmentedLog, verifyLog } from "./index.js";
import { LOG_LIMITS } from "./limits.js";
import { RecordBatch } from "./record-batch.js";

const at = toLogIndex;
const some = (from: number, count: number, term = 1) =>
  Array.from({ length: count }, (_, i) => entry(from + i, term, `entry ${from + i} `.repeat(10)));
const all = (log: SegmentedLog) => log.read(log.firstIndex, log.last.index, 1e9).map(text);

describe("durability", () => {
  test("LG-1 an entry is durable when its sync returns, not before (FC-007) (FC-008)", async () => {
    const log = await openLog(newWorld(1));
    log.append(some(1, 3));
    expect(log.durableIndex).toBe(0);
    expect(await log.sync()).toBe(3);
    expect(log.durableIndex).toBe(3);
  });

  test("LG-2 callers during a sync share the next one, which covers what they appended", async () => {
    const log = await openLog(newWorld(1));
    log.append(some(1, 1));
    const first = log.sync();
    await Promise.resolve();
    log.append(some(2, 2));
    const second = log.sync();
    expect(second).not.toBe(first);
    expect(log.sync()).toBe(second);
    expect(await first).toBe(1);
    expect(await second).toBe(3);
  });

  test("LG-3 a failed sync rejects every waiter and ends the log (FC-035) (FC-043)", async () => {
    const world = newWorld(1);
    const log = await openLog(world);
    log.append(some(1, 1));
    world.disk.failNextSync("EIO");
    const first = log.sync();
    await expect(first).rejects.toMatchObject({ code: "LOG_FAILED" });
    await expect(log.sync()).rejects.toMatchObject({ code: "LOG_FAILED" });
    expect(() => log.append(some(2, 1))).toThrow(/must end/);
    expect(log.durableIndex).toBe(0);
    await expect(log.close()).rejects.toMatchObject({ code: "LOG_FAILED" });
  });

  test("LG-8 a full disk adds nothing, and the log goes on when there is room (FC-036)", async () => {
    const world = newWorld(1);
    const log = await openLog(world);
    log.append(some(1, 2));
    await log.sync();
    world.disk.failNextWrite("ENOSPC");
    expect(() => log.append(some(3, 2))).toThrow(expect.objectContaining({ code: "LOG_FULL" }));
    expect(log.last.index).toBe(2);
    await log.sync();
    log.append(some(3, 1));
    await log.close();
    const again = await openLog(world);
    expect(all(again)).toEqual(some(1, 3).map(text));
  });

  test("LG-16 closing seals, twice is once, and afterwards nothing is taken (FC-190)", async () => {
    const world = newWorld(1);
    const log = await openLog(world);
    log.append(some(1, 2));
    expect(log.close()).toBe(log.close());
    await log.close();
    expect(() => log.append(some(3, 1))).toThrow(expect.objectContaining({ code: "LOG_CLOSED" }));
    world.disk.crash();
    expect(verifyLog({ directory: DIRECTORY, fileSystem: world.disk }).state).toBe("clean");
  });
});

describe("refusals", () => {
  test("LG-13 a second opening is refused as LOG_LOCKED (FC-041)", async () => {
    const world = newWorld(1);
    await openLog(world);
    await expect(openLog(world)).rejects.toMatchObject({ code: "LOG_LOCKED" });
  });

  test("LG-13 a log of another cluster or group is LOG_FOREIGN and names both (FC-050)", async () => {
    const world = newWorld(1);
    await (await openLog(world)).close();
    const other = openLog(world, { clusterId: "other" });
    await expect(other).rejects.toThrow(/"test-cluster".*"other"/);
    await expect(openLog(world, { group: 7 })).rejects.toMatchObject({ code: "LOG_FOREIGN" });
  });

  test("LG-13 a newer format or record type is LOG_FOREIGN, and nothing is changed (FC-050)", async () => {
    const world = newWorld(1);
    const log = await openLog(world);
    log.append(some(1, 2));
    await log.close();
    const [name] = world.disk.list(DIRECTORY);
    const path = `${DIRECTORY}/${name}`;
    const original = world.disk.snapshotFiles().get(path) as Uint8Array;
    const refused = async (bytes: Uint8Array, message: RegExp) => {
      const file = world.disk.open(path, "write");
      file.truncate(0);
      file.write(bytes, 0);
      const place = { directory: DIRECTORY, fileSystem: world.disk };
      await expect(openLog(world)).rejects.toMatchObject({ code: "LOG_FOREIGN" });
      await expect(openLog(world)).rejects.toThrow(message);
      expect(() => verifyLog(place)).toThrow(message);
      expect(world.disk.snapshotFiles().get(path)).toEqual(bytes);
    };
    const header = decodeHeader(original) as SegmentHeader;
    const newer = original.slice();
    encodeHeader({ ...header, version: 2 }, newer);
    await refused(newer, /version 2.*knows 1/);
    const batch = new RecordBatch();
    batch.add(99, 3, 1, original.length, new Uint8Array(5));
    await refused(new Uint8Array(Buffer.concat([original, batch.bytes()])), /record type 99/);
  });

  test("LG-9 LG-12 a committed entry is never cut and a vote never taken back", async () => {
    const log = await openLog(newWorld(1));
    log.append(some(1, 5));
    log.saveHardState(hardState(2, 3, "a"));
    expect(() => log.truncateSuffix(at(3))).toThrow(InvariantViolation);
    expect(() => log.saveHardState(hardState(1, 3, "a"))).toThrow(InvariantViolation);
    expect(() => log.saveHardState(hardState(2, 3, "b"))).toThrow(InvariantViolation);
  });

  test("LG-17 zeros behind the last record are no records (FC-045)", async () => {
    const world = newWorld(1);
    const log = await openLog(world);
    log.append(some(1, 1));
    await log.close();
    const path = [...world.disk.snapshotFiles().keys()].find((name) => name.endsWith(".log"));
    const file = world.disk.open(path as string, "write");
    file.write(new Uint8Array(4_096), file.sizeBytes());
    const again = await openLog(world);
    expect(all(again)).toEqual(some(1, 1).map(text));
  });
});

describe("segments", () => {
  async function filled() {
    const world = newWorld(1);
    const log = await openLog(world);
    for (let from = 1; from <= 60; from += 5) {
      log.append(some(from, 5));
      await log.sync();
    }
    return { world, log };
  }

  test("LG-10 LG-14 dropping a prefix keeps what shares a segment with later entries", async () => {
    const { log } = await filled();
    const before = log.sizeBytes;
    await log.truncatePrefix(at(40));
    expect(log.sizeBytes).toBeLessThan(before);
    expect(log.base.index).toBeLessThanOrEqual(40);
    expect(log.termAt(log.base.index)).toBe(1);
    expect(all(log)).toEqual(some(log.firstIndex, 60 - log.base.index).map(text));
    expect(() => log.read(at(1), at(2), 10)).toThrow(
      expect.objectContaining({ code: "COMPACTED" }),
    );
  });

  test("LG-14 reading from disk equals reading from memory, and stops at the byte limit", async () => {
    const { world, log } = await filled();
    const inMemory = all(log);
    await log.close();
    const again = await openLog(world);
    expect(all(again)).toEqual(inMemory);
    for (let from = 1; from <= 60; from += 1) {
      expect(again.read(at(from), at(60), 1).map((e) => e.index)).toEqual([from]);
    }
    again.append(some(61, 2));
    expect(again.read(at(58), at(62), 1e9).map((e) => e.index)).toEqual([58, 59, 60, 61, 62]);
  });

  test("LG-14 what memory holds is bounded; older entries come from disk", async () => {
    const log = await openLog(newWorld(1), { segmentBytesMax: 64 * 1024 * 1024 });
    const bytes = LOG_LIMITS.tailBytesMax / 4;
    const large = (index: number) => entry(index, 1, `${index}`.padEnd(bytes, "x"));
    for (let index = 1; index <= 9; index += 1) log.append([large(index)]);
    const found = log.read(at(1), at(9), 1e9);
    expect(found.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(found.map(({ payload }) => payload[0])).toEqual(found.map(({ index }) => 48 + index));
    const many = LOG_LIMITS.tailEntriesMax;
    for (let from = 10; from < 2 * many + 100; from += 1_000) {
      log.append(Array.from({ length: 1_000 }, (_, i) => entry(from + i, 1, `${from + i}`)));
    }
    const last = log.last.index;
    expect(log.read(at(last - many - 5), last, 1e9)).toHaveLength(many + 6);
    expect(log.read(at(10), at(10), 1e9).map(text)).toEqual(["10/1/command/10"]);
    log.truncateSuffix(at(20));
    expect(log.read(at(18), at(100), 1e9).map(text)).toEqual([
      "18/1/command/18",
      "19/1/command/19",
    ]);
  });

  test("LG-19 the outline says where terms begin and memberships lie, also after opening again", async () => {
    const { world, log } = await filled();
    const start = log.last;
    const entry = (offset: number, term: number, kind: Entry["kind"]): Entry => ({
      index: at(start.index + offset),
      term: toTerm(term),
      kind,
      payload: new Uint8Array([1]),
    });
    const [a, b] = [start.term + 1, start.term + 3];
    log.append([entry(1, a, "config"), entry(2, a, "command"), entry(3, b, "config")]);
    const terms = [
      { first: at(start.index + 1), term: a },
      { first: at(start.index + 3), term: b },
    ];
    expect(log.outline().terms.slice(-2)).toEqual(terms);
    expect(log.outline().configs.slice(-2)).toEqual([start.index + 1, start.index + 3]);
    log.truncateSuffix(at(start.index + 3));
    await log.sync();
    await log.truncatePrefix(at(start.index - 10));
    await log.close();
    const again = await openLog(world);
    expect(again.outline().configs.at(-1)).toBe(start.index + 1);
    expect(again.outline().terms.at(-1)).toEqual(terms[0]);
    expect(again.outline().terms[0]?.first).toBe(again.firstIndex);
  });

  test("LG-6 damage that comes while the log is open is seen when it is read", async () => {
    const { world, log } = await filled();
    await log.close();
    const again = await openLog(world);
    const first = world.disk.list(DIRECTORY)[0] as string;
    world.disk.corrupt(`${DIRECTORY}/${first}`, 400, 3);
    expect(() => all(again)).toThrow(expect.objectContaining({ code: "LOG_DAMAGED" }));
  });

  test("LG-11 a reset starts at its position, also after opening again", async () => {
    const { world, log } = await filled();
    await log.reset({ index: at(100), term: toTerm(4) });
    expect([log.firstIndex, log.last, log.hardState.commit]).toEqual([
      101,
      { index: 100, term: 4 },
      100,
    ]);
    log.append(some(101, 2, 4));
    await log.close();
    const again = await openLog(world);
    expect(all(again)).toEqual(some(101, 2, 4).map(text));
    expect(again.termAt(at(100))).toBe(4);
  });

  test("LG-11 what was committed stays so over a reset, unless another history takes its place", async () => {
    const { world, log } = await filled();
    log.saveHardState({ ...log.hardState, commit: log.last.index });
    const { index, term } = log.last;
    const earlier = { index: at(index - 3), term };
    await log.reset(earlier);
    expect(log.hardState.commit).toBe(index);
    await log.reset(earlier, earlier.index);
    expect(log.hardState.commit).toBe(earlier.index);
    log.saveHardState({ ...log.hardState, commit: at(index - 3) });
    await log.close();
    const again = await openLog(world);
    expect([again.hardState.commit, again.last]).toEqual([earlier.index, earlier]);
  });

  test("LG-5 LG-15 damage is refused, named by verify, and cut only when asked; the cut is kept", async () => {
    const { world, log } = await filled();
    await log.close();
    const place = { directory: DIRECTORY, fileSystem: world.disk };
    const second = world.disk.list(DIRECTORY)[1] as string;
    world.disk.corrupt(`${DIRECTORY}/${second}`, 700, 0);
    await expect(openLog(world)).rejects.toMatchObject({
      code: "LOG_DAMAGED",
      details: { segment: second, hint: expect.stringContaining("--cut") },
    });
    const info = verifyLog(place);
    expect(info.state).toBe("damaged");
    const [problem] = info.problems;
    expect(problem).toMatchObject({ segment: second, kind: "damage" });
    const kept = await cutLog(place, { segment: second, offset: problem?.offset ?? 0 });
    expect(kept.length).toBeGreaterThan(1);
    const again = await openLog(world);
    expect(again.last.index).toBe(info.last.index);
    expect(all(again)).toEqual(some(1, info.last.index).map(text));
  });
});

test("LG-15 verify goes on behind a bad place and lists them all, telling where it is", async () => {
  const world = newWorld(1);
  const log = await openLog(world);
  for (let from = 1; from <= 60; from += 5) {
    log.append(some(from, 5));
    await log.sync();
  }
  await log.close();
  const names = world.disk.list(DIRECTORY).filter((name) => name.endsWith(".log"));
  const bad: readonly (readonly [number, number])[] = [
    [0, 400],
    [0, 1_200],
    [1, 100],
    [2, 700],
  ];
  for (const [at, offset] of bad) world.disk.corrupt(`${DIRECTORY}/${names[at]}`, offset, 0);
  const before = world.disk.snapshotFiles();
  const seen: string[] = [];
  const info = verifyLog({ directory: DIRECTORY, fileSystem: world.disk }, (name) =>
    seen.push(name),
  );
  expect(seen).toEqual(names);
  expect(info.problems.map(({ segment, kind }) => [segment, kind])).toEqual(
    bad.map(([at]) => [names[at], "damage"]),
  );
  for (const [i, [, offset]] of bad.entries()) {
    expect(info.problems[i]?.offset).toBeLessThanOrEqual(offset);
    expect(offset - (info.problems[i]?.offset ?? 0)).toBeLessThan(300);
  }
  expect(world.disk.snapshotFiles()).toEqual(before);
});

type Op =
  | { readonly do: "append"; readonly count: number }
  | { readonly do: "sync" | "reopen" | "state" }
  | { readonly do: "cut" | "drop"; readonly at: number };

const ops: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 9 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("sync" as const, "reopen" as const, "state" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("cut" as const, "drop" as const), at: fc.nat(100) }),
  },
);

test("LG-7 LG-9 LG-14 any interleaving equals a plain array", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(ops, { maxLength: 40 }), async (steps) => {
      const world = newWorld("model");
      let log = await openLog(world, { segmentBytesMax: 600 });
      let model: Entry[] = [];
      let state: HardState = hardState(0, 0, null);
      for (const step of steps) {
        const last = model.length;
        if (step.do === "append") {
          const added = some(last + 1, step.count, state.term + 1);
          log.append(added);
          model = [...model, ...added];
        } else if (step.do === "cut") {
          const from = Math.max(state.commit, log.base.index) + 1 + step.at;
          if (from <= last) {
            log.truncateSuffix(at(from));
            model = model.slice(0, from - 1);
          }
        } else if (step.do === "drop") {
          await log.truncatePrefix(at(Math.min(state.commit, step.at)));
        } else if (step.do === "state") {
          state = hardState(state.term + 1, Math.max(state.commit, Math.floor(last / 2)), "n");
          log.saveHardState(state);
        } else if (step.do === "sync") {
          await log.sync();
        } else {
          await log.close();
          log = await openLog(world, { segmentBytesMax: 600 });
        }
        expect(all(log)).toEqual(model.slice(log.base.index).map(text));
        expect(sameHardState(log.hardState, state)).toBe(true);
        expect(log.last.index).toBe(model.length);
      }
    }),
    { numRuns: 200 },
  );
});

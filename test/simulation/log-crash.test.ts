import { describe, expect, test } from "vitest";
import { toLogIndex, toTerm } from "../../pkg/base/index.js";
import { type HardState, LogError } from "../../pkg/replication/ports/index.js";
import type { SegmentedLog } from "../../pkg/storage/log/index.js";
import { type SeededRandom, seededRandom, settle } from "../support/index.js";
import {
  crashingFileSystem,
  entry,
  hardState,
  holds,
  type ModelState,
  newWorld,
  openLog,
  type World,
} from "./log-world.js";

const SEEDS = Number(process.env.SIM_COUNT ?? 500);

/** Every state the log went through, one for each record; crashes may fall back to `acked`. */
class History {
  states: ModelState[] = [{ baseIndex: 0, entries: [], hardState: hardState(0, 0, null) }];
  acked = 0;

  get now(): ModelState {
    return this.states.at(-1) as ModelState;
  }
  add(change: Partial<ModelState>): void {
    this.states.push({ ...this.now, ...change });
  }
  ack(upTo: number): void {
    this.acked = Math.max(this.acked, upTo);
  }
  /** Goes on from the state that was found; it is durable now. */
  restart(log: SegmentedLog): void {
    const at = this.states.findLastIndex((state, i) => i >= this.acked && holds(log, state));
    expect(at, describeLog(log, this)).toBeGreaterThanOrEqual(0);
    this.states = [this.states[at] as ModelState];
    this.acked = 0;
  }
}

function describeLog(log: SegmentedLog, history: History): string {
  const oldest = history.states[history.acked] as ModelState;
  return `found ${log.base.index}..${log.last.index}, acknowledged ${oldest.baseIndex}+${oldest.entries.length}, latest ${history.now.baseIndex}+${history.now.entries.length}`;
}

function unlessFull(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof LogError && error.code === "LOG_FULL") return false;
    throw error;
  }
}

function appendSome(log: SegmentedLog, history: History, random: SeededRandom): void {
  const { entries, baseIndex, hardState: state } = history.now;
  const term = Math.max(state.term, log.last.term, 1);
  const added = Array.from({ length: random.between(1, 6) }, (_, i) =>
    entry(
      baseIndex + entries.length + 1 + i,
      term,
      `${random.below(2 ** 32)}`.padEnd(random.below(400), "x"),
    ),
  );
  if (!unlessFull(() => log.append(added))) return;
  added.forEach((_, i) => {
    history.add({ entries: [...entries, ...added.slice(0, i + 1)] });
  });
}

function saveSome(log: SegmentedLog, history: History, random: SeededRandom): void {
  const { hardState: now, baseIndex, entries } = history.now;
  const grow = random.chance(1, 2) ? 1 : 0;
  const reach = baseIndex + entries.length - now.commit;
  const next: HardState = hardState(
    now.term + grow,
    now.commit + (reach > 0 ? random.below(Math.ceil(reach / 2) + 1) : 0),
    grow > 0 ? random.pick([null, "a", "b"]) : now.votedFor,
    now.epoch + random.below(2),
  );
  if (unlessFull(() => log.saveHardState(next))) history.add({ hardState: next });
}

function cutSome(log: SegmentedLog, history: History, random: SeededRandom): void {
  const { hardState: now, baseIndex, entries } = history.now;
  const lowest = Math.max(now.commit, log.base.index) + 1;
  const last = baseIndex + entries.length;
  if (last < lowest) return;
  const from = random.between(lowest, last);
  if (unlessFull(() => log.truncateSuffix(toLogIndex(from)))) {
    history.add({ entries: entries.slice(0, from - 1 - baseIndex) });
  }
}

async function resetLog(log: SegmentedLog, history: History, random: SeededRandom): Promise<void> {
  const { hardState: now, baseIndex, entries } = history.now;
  const index = toLogIndex(baseIndex + entries.length + random.below(3));
  const term = toTerm(Math.max(now.term, log.last.term));
  const commit = toLogIndex(Math.max(now.commit, index));
  const after = { baseIndex: index, entries: [], hardState: { ...now, commit } };
  const before = history.states.length;
  await log.sync();
  history.ack(before - 1);
  history.add(after);
  await log.reset({ index, term });
  history.ack(before);
}

async function step(
  world: World,
  log: SegmentedLog,
  history: History,
  random: SeededRandom,
): Promise<void> {
  const dice = random.below(100);
  if (dice < 45) appendSome(log, history, random);
  else if (dice < 60) saveSome(log, history, random);
  else if (dice < 68) cutSome(log, history, random);
  else if (dice < 72) await log.truncatePrefix(log.hardState.commit);
  else if (dice < 74) await resetLog(log, history, random);
  else if (dice < 77) world.disk.failNextWrite("ENOSPC");
  else if (dice < 78) world.disk.failNextSync("EIO");
  else {
    const upTo = history.states.length - 1;
    const synced = log.sync().then(() => history.ack(upTo));
    if (random.chance(1, 2)) await synced;
    else synced.catch(() => {});
  }
}

async function run(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const world = newWorld(`disk-${seed}`);
  const history = new History();
  for (let life = 0; life < 4; life += 1) {
    const crashing = crashingFileSystem(world.disk, random.between(10, 120));
    try {
      const log = await openLog(world, { fileSystem: crashing.fileSystem, segmentBytesMax: 3_000 });
      history.restart(log);
      for (let i = random.between(5, 60); i > 0; i -= 1) await step(world, log, history, random);
      if (random.chance(1, 4)) {
        const upTo = history.states.length - 1;
        await log.close();
        history.ack(upTo);
      }
    } catch (error) {
      if (!(error instanceof LogError && ["LOG_FAILED", "LOG_FULL"].includes(error.code))) {
        throw error;
      }
    }
    await settle();
    world.disk.crash();
  }
  const log = await openLog(world, { segmentBytesMax: 3_000 });
  history.restart(log);
  await log.close();
}

describe("crashes of the log", () => {
  test("LG-1 LG-4 LG-7 LG-12 after any crash the log is a state at or after the last one acknowledged (FC-007) (FC-034) (FC-040) (FC-043) (FC-044)", async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      await run(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
    }
  });
});

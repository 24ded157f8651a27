import { describe, expect, it } from "vitest";
import { type LogIndex, NO_POSITION, type Term } from "../../pkg/base/index.js";
import {
  type Entry,
  type StateMachine,
  StateMachineError,
} from "../../pkg/replication/ports/index.js";
import { SimDisk, seededRandom, VirtualTime } from "../support/index.js";
import { SimNode, type SimNodeOptions } from "./support/sim-node.js";

const LIMIT = { ticksMax: 100_000 };

async function open(options: Partial<SimNodeOptions> & { syncDelayMs?: number } = {}) {
  const time = new VirtualTime();
  const disk = new SimDisk({ time, random: seededRandom(1) });
  disk.syncDelayMs = options.syncDelayMs ?? 0;
  const node = new SimNode({ time, disk, ...options });
  await node.start();
  return { time, disk, node };
}

/** Settles without throwing: the code of the error, or `ok`. */
const fate = (write: Promise<unknown>) =>
  write.then(
    () => "ok",
    (error: { code: string }) => error.code,
  );

const put = (id: string) => [{ op: "put_node", id } as const];

/** A state machine that can be told to have no room, falling back as SQLite does. */
function fullOnDemand(inner: StateMachine) {
  const control = { full: false, calls: [] as number[] };
  const machine: StateMachine = {
    applyBatch: (entries: readonly Entry[]) => {
      control.calls.push(entries.length);
      if (control.full) throw new StateMachineError("STORAGE_FULL", "no room");
      return inner.applyBatch(entries);
    },
    getWALPosition: () => inner.getWALPosition(),
    durablePosition: () => inner.getWALPosition(),
    flush: () => inner.flush(),
    digest: () => inner.digest(),
    snapshot: () => inner.snapshot(),
    restore: (chunks) => inner.restore(chunks),
    close: () => inner.close(),
  };
  return { machine, control };
}

/** Takes two batches at once and a millisecond for each; refuses one on demand, as SQLite's writer does. */
class AheadMachine implements StateMachine {
  readonly applyAheadMax = 2;
  readonly #inner: StateMachine;
  readonly #clock: ReturnType<VirtualTime["clock"]>;
  #underWay = 0;
  underWayMost = 0;
  /** First index of the batch that finds no room, once. */
  refuseAt = 0;
  readonly refused: number[] = [];

  constructor(inner: StateMachine, time: VirtualTime) {
    this.#inner = inner;
    this.#clock = time.clock();
  }

  async applyBatch(entries: readonly Entry[]) {
    this.#underWay += 1;
    this.underWayMost = Math.max(this.underWayMost, this.#underWay);
    await new Promise<void>((done) => this.#clock.after(1, done));
    this.#underWay -= 1;
    const first = entries[0]?.index ?? 0;
    const { index } = await this.#inner.getWALPosition();
    if (first === this.refuseAt || first > index + 1) {
      this.refuseAt = 0;
      this.refused.push(first);
      throw new StateMachineError("STORAGE_FULL", "no room");
    }
    return this.#inner.applyBatch(entries);
  }

  getWALPosition = () => this.#inner.getWALPosition();
  durablePosition = () => this.#inner.getWALPosition();
  flush = () => this.#inner.flush();
  digest = () => this.#inner.digest();
  snapshot = () => this.#inner.snapshot();
  restore = (chunks: AsyncIterable<Uint8Array>) => this.#inner.restore(chunks);
  close = () => this.#inner.close();
}

describe("driver and node", () => {
  it("DR-1 CL-1 writes of one turn are logged in the order of the calls, then answered", async () => {
    const { time, node } = await open({ syncDelayMs: 2 });
    const writes = Promise.all(["a", "b", "c"].map((id) => node.write(put(id))));
    const receipts = await time.run(writes, LIMIT);
    expect(receipts.map(({ index }) => index)).toEqual([1, 2, 3]);
    expect(receipts[0]).toMatchObject({ term: 1, durability: "local", replayed: false });
    expect(await node.node("c")).toMatchObject({ id: "c", version: 3 });
  });

  it("DR-1 nothing is answered while the sync is under way (FC-007, FC-047)", async () => {
    const { time, disk, node } = await open();
    disk.stall();
    const answers: string[] = [];
    void fate(node.write(put("a"))).then((code) => answers.push(code));
    await time.advance(2_000);
    expect(answers).toEqual([]);
    expect(await node.node("a")).toBeUndefined();
    disk.unstall();
    await time.advance(100);
    expect(answers).toEqual(["ok"]);
  });

  it("DR-2 writes that come during a sync share the next one", async () => {
    const { time, node } = await open({ syncDelayMs: 10 });
    const writes: Promise<unknown>[] = [];
    for (let write = 0; write < 50; write += 1) {
      writes.push(node.write(put(`n${write}`)));
      await time.advance(1);
    }
    const before = time.monotonicMs();
    await time.run(Promise.all(writes), LIMIT);
    expect(time.monotonicMs() - before).toBeLessThan(50);
  });

  it("DR-3 CL-5 a failed sync ends the node: unknown, then refused (FC-035, FC-043)", async () => {
    const { time, disk, node } = await open({ syncDelayMs: 5 });
    disk.failNextSync("EIO");
    const first = fate(node.write(put("a")));
    await time.advance(1);
    const second = fate(node.write(put("b")));
    await time.advance(100);
    expect(await first).toBe("COMMIT_UNKNOWN");
    expect(await second).toBe("COMMIT_UNKNOWN");
    expect(await fate(node.write(put("c")))).toBe("STORAGE_FAILED");
    expect(await node.client.health()).toMatchObject({ state: "failed", healthy: false });
    expect(node.client.isLeader()).toBe(false);
  });

  it("DR-4 a refused command is an answer: the code of the state machine, outcome not_applied", async () => {
    const { time, node } = await open();
    const refused = node.write([{ op: "delete_node", id: "nobody" }]);
    await expect(time.run(refused, LIMIT)).rejects.toMatchObject({
      code: "NOT_FOUND",
      outcome: "not_applied",
    });
    const exists = { op: "put_node", id: "x", if: { exists: true } } as const;
    await expect(time.run(node.write([exists]), LIMIT)).rejects.toMatchObject({
      code: "VERSION_MISMATCH",
    });
  });

  it("DR-4 the same request id is applied once, also after a restart (FC-144, FC-145)", async () => {
    const { time, node } = await open();
    const first = await time.run(node.write(put("a"), "once"), LIMIT);
    const again = await time.run(node.write(put("a"), "once"), LIMIT);
    expect(again).toMatchObject({ replayed: true, result: first.result });
    node.die("crash");
    await node.start();
    const later = await time.run(node.write(put("a"), "once"), LIMIT);
    expect(later).toMatchObject({ replayed: true, result: first.result });
    expect((await node.node("a"))?.version).toBe(first.index);
  });

  it("DR-5 beyond the limit of pending writes the answer is OVERLOADED, and nothing is kept", async () => {
    const limits = { pendingProposalsMax: 3 };
    const { time, disk, node } = await open({ limits });
    disk.stall();
    const fates = ["a", "b", "c", "d", "e"].map((id) => fate(node.write(put(id))));
    await time.advance(10);
    expect(await Promise.all(fates.slice(3))).toEqual(["OVERLOADED", "OVERLOADED"]);
    disk.unstall();
    await time.advance(10);
    expect(await Promise.all(fates.slice(0, 3))).toEqual(["ok", "ok", "ok"]);
    expect(await node.node("d")).toBeUndefined();
    expect(await fate(time.run(node.write(put("f")), LIMIT))).toBe("ok");
  });

  it("DR-5 a command above its limit is refused by name", async () => {
    const { time, node } = await open({ limits: { commandBytesMax: 500 } });
    const large = node.write([{ op: "put_node", id: "a", properties: { text: "x".repeat(900) } }]);
    expect(await fate(time.run(large, LIMIT))).toBe("TOO_LARGE");
  });

  it("DR-5 a full disk refuses before anything happened, answers reads, and recovers (FC-036)", async () => {
    const { time, disk, node } = await open();
    await time.run(node.write(put("before")), LIMIT);
    disk.capacityBytes = 0;
    expect(await fate(time.run(node.write(put("during")), LIMIT))).toBe("OVERLOADED");
    expect((await time.run(node.client.health(), LIMIT)).state).toBe("read_only");
    expect(await node.node("before")).toBeDefined();
    disk.capacityBytes = 2 ** 40;
    await time.advance(2_500);
    expect(await fate(time.run(node.write(put("after")), LIMIT))).toBe("ok");
    node.die("crash");
    await node.start();
    expect(await node.node("during")).toBeUndefined();
    expect(await node.node("after")).toBeDefined();
  });

  it("SA-8 a state machine without room is retried until there is some, and loses nothing", async () => {
    let control: ReturnType<typeof fullOnDemand>["control"] | undefined;
    const wrapStorage = (inner: StateMachine) => {
      const wrapped = fullOnDemand(inner);
      control = wrapped.control;
      return wrapped.machine;
    };
    const { time, node } = await open({ wrapStorage });
    await time.run(node.write(put("a")), LIMIT);
    if (control !== undefined) control.full = true;
    const stuck = fate(node.write(put("b")));
    await time.advance(1_000);
    expect(await fate(time.run(node.write(put("c")), LIMIT))).toBe("OVERLOADED");
    if (control !== undefined) control.full = false;
    await time.advance(1_000);
    expect(await stuck).toBe("ok");
    expect(await fate(time.run(node.write(put("d")), LIMIT))).toBe("ok");
  });

  it("DR-9 batches go ahead in order, and none behind a refused one is applied", async () => {
    const time = new VirtualTime();
    const disk = new SimDisk({ time, random: seededRandom(1) });
    let machine: AheadMachine | undefined;
    const wrapStorage = (inner: StateMachine) => {
      machine = new AheadMachine(inner, time);
      return machine;
    };
    const node = new SimNode({ time, disk, wrapStorage, limits: { applyBatchEntriesMax: 2 } });
    await node.start();
    const ids = ["a", "b", "c", "d", "e", "f", "g"];
    const writes = Promise.all(ids.map((id) => fate(node.write(put(id)))));
    if (machine !== undefined) machine.refuseAt = 3;
    expect(await time.run(writes, LIMIT)).toEqual(ids.map(() => "ok"));
    expect(machine?.underWayMost).toBe(2);
    expect(machine?.refused).toEqual([3, 5]);
    expect(await node.node("g")).toMatchObject({ version: 7 });
  });

  it("SA-10 a state machine that fell back on its own is noticed and brought forward", async () => {
    const { time, node } = await open();
    await time.run(Promise.all(["a", "b", "c"].map((id) => node.write(put(id)))), LIMIT);
    const copy = node.storage;
    const snapshot = await copy.snapshot();
    await time.run(node.write(put("d")), LIMIT);
    await copy.restore(snapshot.chunks());
    expect(await node.node("d")).toBeUndefined();
    await time.advance(3_000);
    expect(await node.node("d")).toBeDefined();
    expect(await fate(time.run(node.write(put("e")), LIMIT))).toBe("ok");
  });

  it("DR-6 the log is cut below what is durable, and the node still starts from it (FC-039, FC-051)", async () => {
    const limits = { trailingEntries: 20, compactionThresholdEntries: 50 };
    const wrapStorage = (inner: StateMachine) => fullOnDemand(inner).machine;
    const { time, node } = await open({ limits, segmentBytesMax: 4_096, wrapStorage });
    for (let write = 0; write < 300; write += 1) {
      await time.run(node.write(put(`n${write}`)), LIMIT);
    }
    await time.advance(3_000);
    const health = await time.run(node.client.health(), LIMIT);
    expect(health.firstIndex).toBeGreaterThan(1);
    expect(health.firstIndex).toBeLessThanOrEqual(300 - 20 + 1);
    node.die("kill");
    await expect(node.start()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  });

  it("DR-7 a storage ahead of its log refuses the start and says what to type (FC-042)", async () => {
    const { node } = await open();
    node.die("kill");
    node.storage.setWALPosition({ index: 9 as LogIndex, term: 1 as Term });
    await expect(node.start()).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      details: { hint: expect.stringContaining("nornicctl snapshot restore") },
    });
  });

  it("DR-7 a storage of another history refuses the start (FC-092)", async () => {
    const { time, node } = await open();
    await time.run(node.write(put("a")), LIMIT);
    node.die("kill");
    node.storage.setWALPosition({ index: 1 as LogIndex, term: 7 as Term });
    await expect(node.start()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  });

  it("DR-8 shutdown answers what is under way, refuses what comes after, and may be called twice (FC-156, FC-190)", async () => {
    const { time, node } = await open({ syncDelayMs: 20 });
    const underWay = fate(node.write(put("a")));
    const closing = node.client.shutdown();
    expect(node.client.shutdown()).toBe(closing);
    await time.advance(1);
    expect(await fate(node.write(put("b")))).toBe("SHUTTING_DOWN");
    await time.run(closing, LIMIT);
    expect(await underWay).toBe("ok");
    expect(await fate(node.write(put("c")))).toBe("CLOSED");
  });

  it("DR-8 a disk that hangs does not keep the shutdown for ever", async () => {
    const limits = { drainTimeoutMs: 1_000 };
    const { time, disk, node } = await open({ limits });
    disk.stall();
    const stuck = fate(node.write(put("a")));
    await time.advance(10);
    const closing = fate(node.client.shutdown());
    await time.advance(10_000);
    expect(await closing).toBe("STORAGE_FAILED");
    expect(await stuck).toBe("COMMIT_UNKNOWN");
  });
});

describe("client", () => {
  it("CL-2 an answer after the deadline is dropped and the write may be retried by its id", async () => {
    const { time, disk, node } = await open({ limits: { commitTimeoutMs: 200 } });
    disk.stall();
    const late = fate(node.write(put("a"), "r1"));
    await time.advance(500);
    expect(await late).toBe("COMMIT_UNKNOWN");
    disk.unstall();
    await time.advance(50);
    const again = await time.run(node.write(put("a"), "r1"), LIMIT);
    expect(again.replayed).toBe(true);
  });

  it("CL-4 a read sees every answered write; a bookmark from elsewhere is refused (FC-081)", async () => {
    const { time, node } = await open();
    const receipt = await time.run(node.write(put("a")), LIMIT);
    expect(await time.run(node.client.read("LEADER"), LIMIT)).toEqual({
      index: receipt.index,
      term: receipt.term,
    });
    const after = { index: 99 as LogIndex, term: 1 as Term };
    await expect(time.run(node.client.read("ONE", { after }), LIMIT)).rejects.toMatchObject({
      code: "LAGGING",
    });
    expect(await time.run(node.client.read("ONE", { after: NO_POSITION }), LIMIT)).toEqual({
      index: receipt.index,
      term: receipt.term,
    });
  });

  it("DR-4 before the start and after the end every call is refused with a reason", async () => {
    const time = new VirtualTime();
    const disk = new SimDisk({ time, random: seededRandom(1) });
    const node = new SimNode({ time, disk });
    expect(await fate(node.write(put("a")))).toBe("NO_LEADER");
    await node.start();
    expect(await time.run(node.client.waitForLeader(1_000), LIMIT)).toBe("n1");
    await time.run(node.client.shutdown(), LIMIT);
    expect(await fate(node.client.read("ONE"))).toBe("CLOSED");
  });

  it("DR-4 a batch of commands gives each its own fate", async () => {
    const { time, node } = await open();
    const { encodeOperations } = await import("../../pkg/storage/index.js");
    const commands = [put("a"), [{ op: "delete_node", id: "none" } as const], put("b")];
    const settled = await time.run(node.client.applyBatch(commands.map(encodeOperations)), LIMIT);
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../../test/support/seeded-random.js";
import { SimDisk } from "../../../../test/support/sim-disk.js";
import { VirtualTime } from "../../../../test/support/virtual-time.js";
import { type NodeId, parseNodeId, toTerm } from "../../../base/index.js";
import { type Clock, noMetrics } from "../../../runtime/index.js";
import type { LeaseAnswer, LeaseRecord } from "../../ports/index.js";
import { MessageType } from "../../ports/index.js";
import { ARBITER_LIMITS } from "../limits.js";
import { LeaseRegister } from "./lease-register.js";
import { requestMessage } from "./messages.js";
import { witnessHandler } from "./serve-witness.js";

const LIMIT = { ticksMax: 100_000 };
const TTL_MS = 3_000;
const [A, B] = ["a", "b"].map((name) => parseNodeId(name) as NodeId) as [NodeId, NodeId];

class World {
  readonly time = new VirtualTime();
  readonly disk: SimDisk;
  readonly failures: string[] = [];

  constructor(seed = 1) {
    this.disk = new SimDisk({ time: this.time, random: seededRandom(seed) });
    this.disk.syncDelayMs = 2;
  }

  open(clock: Clock = this.time): Promise<LeaseRegister> {
    const opening = LeaseRegister.open({
      directory: "/leases",
      fileSystem: this.disk,
      clock,
      timers: this.time,
      metrics: noMetrics,
      onFailed: (error) => this.failures.push(error.message),
    });
    return this.run(opening);
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise, LIMIT);
  }

  take(register: LeaseRegister, candidate = A, inSync = [A, B]): Promise<LeaseAnswer> {
    const request = { candidate, epoch: toTerm(0), inSync, ttlMs: TTL_MS };
    return this.run(register.ask("c", { kind: "acquire", ...request }));
  }

  renew(register: LeaseRegister, holder: NodeId, epoch: number): Promise<LeaseAnswer> {
    const request = { holder, epoch: toTerm(epoch), ttlMs: TTL_MS };
    return this.run(register.ask("c", { kind: "renew", ...request }));
  }
}

describe("after a restart", () => {
  it("AR-20 a lease that was held counts as held for one more whole TTL", async () => {
    const world = new World();
    await world.take(await world.open());
    await world.time.advance(10 * TTL_MS);
    world.disk.crash();
    const again = await world.open();
    const openedMs = world.time.monotonicMs();
    expect((await world.take(again, B)).ok).toBe(false);
    await world.time.advance(openedMs + TTL_MS - 1 - world.time.monotonicMs());
    expect((await world.take(again, B)).ok).toBe(false);
    await world.time.advance(1);
    expect((await world.take(again, B)).record.epoch).toBe(2);
  });

  it("AR-20 a lease that was released does not", async () => {
    const world = new World();
    const register = await world.open();
    await world.take(register);
    await world.run(register.ask("c", { kind: "release", holder: A, epoch: toTerm(1) }));
    world.disk.crash();
    expect((await world.take(await world.open(), B)).ok).toBe(true);
  });
});

describe("time", () => {
  it("AR-7 a wall clock that is set, either way, neither ends nor prolongs a lease (FC-079)", async () => {
    const world = new World();
    const clock = world.time.clock();
    const register = await world.open(clock);
    await world.take(register);
    const endMs = world.time.monotonicMs() + TTL_MS;
    for (const byMs of [10 ** 9, -(10 ** 9)]) {
      clock.stepWall(byMs);
      expect(register.read("c").held).toBe(true);
    }
    await world.time.advance(endMs - world.time.monotonicMs() - 1);
    expect(register.read("c").held).toBe(true);
    await world.time.advance(2);
    expect(register.read("c").held).toBe(false);
  });
});

describe("the disk", () => {
  it("AR-23 a power cut at any moment leaves what was answered, or what was asked for", async () => {
    for (let seed = 1; seed <= 150; seed += 1) {
      const world = new World(seed);
      const random = seededRandom(seed);
      let answered: LeaseRecord | undefined;
      let asked = 0;
      let register = await world.open();
      for (let round = 0; round < 4; round += 1) {
        for (let n = 0; n < 3; n += 1) {
          asked += 1;
          const request = { candidate: A, epoch: toTerm(asked), inSync: [A], ttlMs: TTL_MS };
          register.ask("c", { kind: "acquire", ...request }).then(
            ({ record }) => {
              answered = record;
            },
            () => {},
          );
        }
        await world.time.advance(random.below(14));
        const before = answered?.epoch ?? 0;
        world.disk.crash();
        register = await world.open();
        const { epoch } = register.read("c");
        expect(epoch, `seed ${seed}`).toBeGreaterThanOrEqual(before);
        expect(epoch, `seed ${seed}`).toBeLessThanOrEqual(asked);
        answered = register.read("c");
        asked = epoch;
      }
    }
  });

  it("AR-23 after a failed sync nothing is answered any more (FC-035)", async () => {
    const world = new World();
    const register = await world.open();
    await world.take(register);
    world.disk.failNextSync("EIO");
    await expect(world.take(register)).rejects.toMatchObject({ code: "UNREACHABLE" });
    await expect(world.renew(register, A, 1)).rejects.toMatchObject({ code: "UNREACHABLE" });
    expect(() => register.read("c")).toThrow(/durable/);
    expect(world.failures).toHaveLength(1);
    world.disk.crash();
    expect((await world.open()).read("c").epoch).toBe(1);
  });

  it("AR-24 a full disk refuses changes and lets renewals go on", async () => {
    const world = new World();
    const register = await world.open();
    await world.take(register);
    world.disk.capacityBytes = 0;
    await expect(world.take(register)).rejects.toMatchObject({ code: "REFUSED" });
    expect(await world.renew(register, A, 1)).toMatchObject({ ok: true, record: { epoch: 1 } });
    world.disk.capacityBytes = 2 ** 40;
    expect((await world.take(register)).record.epoch).toBe(2);
    expect(world.failures).toEqual([]);
  });

  it.each([
    ["a changed byte", (text: string) => text.replace('"epoch":1', '"epoch":2')],
    ["a cut", (text: string) => text.slice(0, 20)],
    ["a newer format", (text: string) => text.replace('"format":1', '"format":2')],
    ["the record of another cluster", (text: string) => text.replace('"c"', '"d"')],
  ])("AR-22 %s stops the start, and names the file", async (_what, spoil) => {
    const world = new World();
    await world.take(await world.open());
    world.disk.crash();
    const file = world.disk.open("/leases/c.json", "write");
    const bytes = new Uint8Array(file.sizeBytes());
    file.read(bytes, 0);
    const spoilt = Buffer.from(spoil(Buffer.from(bytes).toString()));
    file.truncate(0);
    file.write(spoilt, 0);
    await expect(world.open()).rejects.toThrow("/leases/c.json is damaged");
  });
});

describe("bounds", () => {
  it("AR-16 the cluster beyond the last is refused; those that are known go on", async () => {
    const world = new World();
    const register = await world.open();
    await world.take(register);
    for (let n = 1; n < ARBITER_LIMITS.clustersMax; n += 1) register.read(`c${n}`);
    expect(register.clusters).toBe(ARBITER_LIMITS.clustersMax);
    expect(() => register.read("one-more")).toThrow(/takes no more/);
    expect((await world.renew(register, A, 1)).ok).toBe(true);
  });

  it("AR-16 requests that wait for the disk are bounded", async () => {
    const world = new World();
    const register = await world.open();
    const request = { candidate: A, epoch: toTerm(0), inSync: [A], ttlMs: TTL_MS };
    const asked = Array.from({ length: ARBITER_LIMITS.requestsMax + 1 }, () =>
      register.ask("c", { kind: "acquire", ...request }),
    );
    const results = await world.run(Promise.allSettled(asked));
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(register.read("c").epoch).toBe(ARBITER_LIMITS.requestsMax);
  });

  it("AR-16 watches are bounded, and held open no longer than agreed", async () => {
    const world = new World();
    const register = await world.open();
    const known = register.read("c");
    const waits = Array.from({ length: ARBITER_LIMITS.waitsMax }, () =>
      register.changed("c", known, 10 ** 9),
    );
    await expect(register.changed("c", known, 1)).rejects.toMatchObject({ code: "REFUSED" });
    await world.time.advance(ARBITER_LIMITS.waitMsMax);
    expect((await Promise.all(waits)).every((record) => record.epoch === 0)).toBe(true);
    expect(world.time.pending()).toBe(0);
  });
});

describe("what a witness serves", () => {
  it("AR-21 a node speaks for itself only, and about leases only", async () => {
    const world = new World();
    const serve = witnessHandler(await world.open());
    const ask = { candidate: A, epoch: toTerm(0), inSync: [A], ttlMs: TTL_MS };
    const message = requestMessage({ kind: "acquire", ...ask });
    await expect(serve(B, message, "c")).rejects.toMatchObject({ code: "REFUSED" });
    const vote = { type: MessageType.voteRequest, payload: {} };
    await expect(serve(A, vote, "c")).rejects.toMatchObject({ code: "INVALID" });
    const answer = await world.run(serve(A, message, "c"));
    expect(answer.payload).toMatchObject({ ok: true, epoch: 1, holder: A, held: true });
  });

  it.each([
    [null, /lease must be an object/],
    [{ kind: "steal" }, /lease.kind must be one of/],
    [{ kind: "renew", holder: "a", epoch: -1, ttlMs: 1 }, /lease.epoch/],
    [{ kind: "acquire", candidate: "a b", epoch: 0, inSync: [], ttlMs: 1 }, /lease.candidate/],
    [{ kind: "in_sync", holder: "a", epoch: 1, inSync: [7] }, /lease.inSync/],
    [{ kind: "wait", known: {}, waitMs: 1 }, /lease.known.epoch/],
  ])("AR-16 %j is refused by name", async (payload, message) => {
    const world = new World();
    const serve = witnessHandler(await world.open());
    await expect(serve(A, { type: MessageType.lease, payload }, "c")).rejects.toThrow(message);
  });
});

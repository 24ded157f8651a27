import { describe, expect, it } from "vitest";
import { NO_POSITION } from "../../pkg/base/index.js";
import { type SeededRandom, SimDisk, seededRandom, VirtualTime } from "../support/index.js";
import { SimNode } from "./support/sim-node.js";

const SEEDS = Number(process.env.SIM_COUNT ?? 1_000);
const FIRST_SEED = Number(process.env.SIM_SEED ?? 1);

/** What is known of write `number`: a batch of two nodes and an edge, all with its value. */
type Fate = "acknowledged" | "refused" | "unknown";

const parts = (number: number) => {
  const properties = { value: number };
  return [
    { op: "put_node", id: `${number}/a`, properties },
    { op: "put_node", id: `${number}/b`, properties },
    {
      op: "put_edge",
      id: `${number}/e`,
      from: `${number}/a`,
      to: `${number}/b`,
      type: "T",
      properties,
    },
  ] as const;
};

class Run {
  readonly random: SeededRandom;
  readonly time = new VirtualTime();
  readonly disk: SimDisk;
  readonly node: SimNode;
  readonly fates = new Map<number, Fate>();
  #next = 1;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.disk = new SimDisk({ time: this.time, random: this.random.fork("disk") });
    this.disk.syncDelayMs = this.random.pick([0, 1, 5]);
    const segmentBytesMax = this.random.pick([4_096, 65_536]);
    this.node = new SimNode({ time: this.time, disk: this.disk, segmentBytesMax });
  }

  async round(): Promise<void> {
    await this.node.start();
    await this.check();
    const writes = this.random.between(1, 40);
    for (let sent = 0; sent < writes; sent += 1) {
      this.#write(this.#next++);
      if (this.random.chance(1, 3)) await this.time.advance(this.random.below(4));
    }
    await this.time.advance(this.random.below(20));
    this.#injectFault();
    await this.time.advance(this.random.below(10));
    this.node.die(this.random.chance(4, 5) ? "crash" : "kill");
  }

  #write(number: number): void {
    this.fates.set(number, "unknown");
    const requestId = this.random.chance(1, 2) ? `write-${number}` : undefined;
    void this.node.write(parts(number), requestId).then(
      () => this.fates.set(number, "acknowledged"),
      (error: { outcome?: string }) => {
        if (error.outcome === "not_applied") this.fates.set(number, "refused");
      },
    );
  }

  #injectFault(): void {
    const fault = this.random.below(8);
    if (fault === 0) this.disk.failNextSync("EIO");
    else if (fault === 1) this.disk.stall();
    else if (fault <= 3) this.disk.failNextWrite("ENOSPC");
    if (this.random.chance(1, 2)) this.#write(this.#next++);
  }

  /** Every acknowledged write is there, no other is half there, the digest is that of the rows. */
  async check(): Promise<void> {
    for (const [number, fate] of this.fates) {
      const { storage } = this.node;
      const found = [
        await storage.getNode(`${number}/a`, NO_POSITION),
        await storage.getNode(`${number}/b`, NO_POSITION),
        await storage.getEdge(`${number}/e`, NO_POSITION),
      ].filter((part) => part?.properties.value === number).length;
      const allowed = { acknowledged: [3], refused: [0], unknown: [0, 3] }[fate];
      expect(allowed, `write ${number} is ${fate}`).toContain(found);
    }
    expect((await this.node.storage.recomputeDigest()).shards).toEqual(
      (await this.node.storage.digest()).shards,
    );
  }
}

describe("one node without power", () => {
  it(`SA-2 DR-1 no acknowledged write is lost over ${SEEDS} seeds (FC-007, FC-008, FC-034, FC-035)`, async () => {
    const hits: Record<string, number> = {};
    let acknowledged = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const run = new Run(seed);
      try {
        const rounds = run.random.between(2, 4);
        for (let round = 0; round < rounds; round += 1) await run.round();
        await run.node.start();
        await run.check();
      } catch (cause) {
        throw new Error(`replay: npm run simulate -- --seed ${seed} --count 1 standalone`, {
          cause,
        });
      }
      for (const fate of run.fates.values()) if (fate === "acknowledged") acknowledged += 1;
      for (const [kind, count] of Object.entries(run.disk.hits))
        hits[kind] = (hits[kind] ?? 0) + count;
    }
    expect(acknowledged).toBeGreaterThan(SEEDS * 5);
    if (SEEDS >= 100) {
      const expected = ["crash_lost_data", "kill", "sync_failed", "sync_stalled", "write_failed"];
      for (const kind of expected) expect(hits[kind], kind).toBeGreaterThan(0);
    }
  });

  it("SA-1 the same seed gives the same trace", async () => {
    const trace = async (seed: number) => {
      const run = new Run(seed);
      for (let round = 0; round < 3; round += 1) await run.round();
      return run.time.trace.digest();
    };
    expect(await trace(42)).toBe(await trace(42));
    expect(await trace(42)).not.toBe(await trace(43));
  });
});

import { describe, expect, it } from "vitest";
import { type NodeId, parseNodeId, toTerm } from "../../pkg/base/index.js";
import type { Arbiter, LeaseAnswer } from "../../pkg/replication/ports/index.js";
import { WitnessWorld } from "./support/witness-world.js";

const COUNT = Number(process.env.SIM_COUNT ?? 40);
const SEED = Number(process.env.SIM_SEED ?? 1);
const ROUNDS = 400;
const ROUND_MS = 50;

/** A node that counts its lease from when it sent a request, and does something every now and then. */
class Candidate {
  readonly id: NodeId;
  readonly #world: WitnessWorld;
  readonly #arbiter: Arbiter;
  epoch = 0;
  untilMs = Number.NEGATIVE_INFINITY;
  grants = 0;
  #asking = false;

  constructor(world: WitnessWorld, name: string) {
    this.id = parseNodeId(name) as NodeId;
    this.#world = world;
    this.#arbiter = world.node(name);
  }

  get holds(): boolean {
    return this.#world.nowMs() < this.untilMs;
  }

  act(onGrant: (epoch: number) => void): void {
    const { random, ttlMs } = this.#world;
    if (this.#asking || !random.chance(1, 4)) return;
    const claim = { holder: this.id, epoch: toTerm(this.epoch) };
    if (!this.holds && random.chance(1, 2)) {
      const inSync = ["a", "b", "c"].map((name) => parseNodeId(name) as NodeId);
      const ask = { candidate: this.id, epoch: toTerm(this.epoch + 1), inSync, ttlMs };
      this.#send(this.#arbiter.acquire(ask), (answer) => {
        this.epoch = answer.record.epoch;
        this.grants += 1;
        onGrant(this.epoch);
      });
    } else if (this.epoch > 0 && random.chance(1, 10)) {
      this.untilMs = Number.NEGATIVE_INFINITY;
      this.#send(this.#arbiter.release(claim), () => {
        this.untilMs = Number.NEGATIVE_INFINITY;
      });
    } else if (this.epoch > 0) {
      this.#send(this.#arbiter.renew({ ...claim, ttlMs }), () => {});
    }
  }

  #send(asked: Promise<LeaseAnswer>, onDone: (answer: LeaseAnswer) => void): void {
    const sentMs = this.#world.nowMs();
    this.#asking = true;
    asked
      .then((answer) => {
        if (!answer.ok) return;
        this.untilMs = Math.max(this.untilMs, sentMs + this.#world.ttlMs);
        onDone(answer);
      })
      .catch(() => {})
      .finally(() => {
        this.#asking = false;
      });
  }
}

/** Cuts, lost power and restarts of the witness. @returns whether it runs */
async function disturb(world: WitnessWorld, runs: boolean): Promise<boolean> {
  const { random, network } = world;
  if (random.chance(1, 20)) {
    const node = ["a", "b", "c"][random.below(3)] as string;
    const [from, to] = random.chance(1, 2) ? [node, "w"] : ["w", node];
    network.setLink(from as string, to as string, { cut: true });
  }
  if (random.chance(1, 10)) network.setAll({ cut: false, delayMsMax: 1 + random.below(400) });
  if (runs && random.chance(1, 60)) {
    await world.kill();
    return false;
  }
  if (!runs && random.chance(1, 5)) {
    await world.start();
    return true;
  }
  return runs;
}

async function play(seed: number): Promise<{ grants: number; kills: number }> {
  const world = await WitnessWorld.open(seed);
  world.disk.syncDelayMs = 1 + world.random.below(20);
  const nodes = ["a", "b", "c"].map((name) => new Candidate(world, name));
  const granted = new Set<number>();
  let runs = true;
  let kills = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const ran = runs;
    runs = await disturb(world, runs);
    if (ran && !runs) kills += 1;
    for (const node of nodes) {
      node.act((epoch) => {
        expect(granted.has(epoch), `seed ${seed}: epoch ${epoch} was granted twice`).toBe(false);
        granted.add(epoch);
      });
    }
    for (let step = 0; step < ROUND_MS; step += 5) {
      await world.time.advance(5);
      const holders = nodes.filter(({ holds }) => holds).map(({ id }) => id);
      expect(holders.length, `seed ${seed}, round ${round}: ${holders}`).toBeLessThanOrEqual(1);
    }
  }
  return { grants: nodes.reduce((sum, { grants }) => sum + grants, 0), kills };
}

describe("a witness among faults", () => {
  it(`AR-1 AR-2 AR-20 at no instant do two nodes hold a lease, ${COUNT} seeds from ${SEED}`, async () => {
    let [grants, kills] = [0, 0];
    for (let seed = SEED; seed < SEED + COUNT; seed += 1) {
      const played = await play(seed);
      grants += played.grants;
      kills += played.kills;
    }
    expect(grants).toBeGreaterThan(COUNT);
    expect(kills).toBeGreaterThan(COUNT);
  });
});

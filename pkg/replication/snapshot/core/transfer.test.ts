import { describe, expect, it } from "vitest";
import { type SeededRandom, seededRandom } from "../../../../test/support/index.js";
import { toLogIndex, toTerm } from "../../../base/index.js";
import { SNAPSHOT_LIMITS, type SnapshotLimits } from "./limits.js";
import type { SnapshotOffer, SnapshotReply } from "./messages.js";
import { stepReceiver } from "./receiver.js";
import {
  assertReceiver,
  newReceiver,
  type ReceiverEffect,
  type ReceiverInput,
  type ReceiverState,
} from "./receiver-state.js";
import {
  assertSender,
  newSender,
  type SenderEffect,
  type SenderInput,
  type SenderOutcome,
  type SenderState,
  type SentMessage,
  stepSender,
} from "./sender.js";

const LIMITS: SnapshotLimits = {
  ...SNAPSHOT_LIMITS,
  chunkBytes: 1,
  windowBytes: 5,
  attemptsMax: 50,
  retryTicks: 2,
  stallTicksMax: 2_000,
};
const CALM_STEPS_MAX = 2_000;

/** A message on its way there, or its answer on its way back. */
interface Flight {
  readonly to: SentMessage;
  readonly request:
    | { readonly kind: "offer" }
    | { readonly kind: "chunk"; readonly index: number }
    | { readonly kind: "finish" };
  readonly reply?: SnapshotReply;
}

/**
 * One copy after the other from a sender to a receiver over a network that loses, doubles, delays
 * and damages, to a node that crashes and forgets what was not synced. Time is the steps taken.
 */
class World {
  readonly hits = new Map<string, number>();
  readonly #random: SeededRandom;
  readonly #chunks: number;
  #faults = true;
  #copy = 0;
  #sender: SenderState;
  outcome: SenderOutcome | undefined;
  #receiver: ReceiverState = newReceiver(toTerm(1), LIMITS);
  #flights: Flight[] = [];
  /** Messages that wait for the receiver's answer, by ticket. */
  #asked = new Map<number, Flight>();
  #ticket = 0;
  /** What is staged: the copy that each chunk is of; the first `durable` survive. */
  #staged: { offer: SnapshotOffer; chunks: string[]; durable: number; whole: boolean } | undefined;
  #syncs: { id: string; chunks: number }[] = [];
  installed: string | undefined;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#chunks = this.#random.below(30);
    this.#sender = newSender(this.#chunks, LIMITS);
    this.#toSender({ kind: "start" });
  }

  #offer(): SnapshotOffer {
    return {
      id: `copy-${this.#copy}`,
      term: toTerm(1),
      position: { index: toLogIndex(100), term: toTerm(1) },
      sizeBytes: this.#chunks,
      chunkBytes: 1,
      force: false,
      config: null,
    };
  }

  #hit(name: string): void {
    this.hits.set(name, (this.hits.get(name) ?? 0) + 1);
  }

  #chance(name: string, percent: number): boolean {
    if (!this.#faults || !this.#random.chance(percent, 100)) return false;
    this.#hit(name);
    return true;
  }

  run(steps: number): void {
    for (let i = 0; i < steps && this.outcome === undefined; i += 1) this.step();
    this.#faults = false;
    for (let i = 0; i < CALM_STEPS_MAX && this.outcome === undefined; i += 1) this.step();
  }

  step(): void {
    const choice = this.#random.below(10);
    if (choice === 0) {
      this.#toSender({ kind: "tick" });
      this.#toReceiver({ kind: "tick" });
    } else if (choice <= 2) this.#finishSync();
    else if (this.#chance("crash", 1)) this.#crash();
    else this.#deliver();
  }

  #deliver(): void {
    if (this.#flights.length === 0) return;
    const late = this.#chance("reordered", 20);
    const at = late ? this.#random.below(this.#flights.length) : 0;
    const [flight] = this.#flights.splice(at, 1);
    if (flight === undefined) return;
    if (this.#chance("lost", 8)) this.#toSender({ kind: "lost", to: flight.to });
    else if (flight.reply !== undefined) {
      this.#toSender({ kind: "reply", to: flight.to, reply: flight.reply });
    } else {
      if (this.#chance("doubled", 10)) this.#arrive(flight, true);
      this.#arrive(flight, false);
    }
  }

  /** The answer to a message that came a second time goes nowhere. */
  #arrive(flight: Flight, doubled: boolean): void {
    this.#ticket += 1;
    const ticket = this.#ticket;
    if (!doubled) this.#asked.set(ticket, flight);
    const { id } = this.#offer();
    const { request } = flight;
    if (request.kind === "offer") {
      const applied = toLogIndex(0);
      this.#toReceiver({ kind: "offer", ticket, offer: this.#offer(), applied, hasRoom: true });
    } else if (request.kind === "finish") this.#toReceiver({ kind: "finish", ticket, id });
    else {
      const check = this.#chance("damaged", 5) ? "corrupt" : "intact";
      this.#toReceiver({ kind: "chunk", ticket, id, index: request.index, check });
    }
  }

  #toSender(input: SenderInput): void {
    if (this.outcome !== undefined) return;
    const { state, effects } = stepSender(this.#sender, input);
    assertSender(state);
    this.#sender = state;
    for (const effect of effects) this.#carryOutSending(effect);
  }

  #carryOutSending(effect: SenderEffect): void {
    switch (effect.kind) {
      case "load":
        this.#toSender({ kind: "loaded", index: effect.index });
        break;
      case "send_offer":
      case "send_finish": {
        const kind = effect.kind === "send_offer" ? "offer" : "finish";
        this.#flights.push({ to: { round: effect.round, kind }, request: { kind } });
        break;
      }
      case "send_chunk": {
        const { round, index } = effect;
        this.#flights.push({ to: { round, kind: "chunk" }, request: { kind: "chunk", index } });
        break;
      }
      case "ended":
        if (effect.outcome.kind === "restart") this.#restart();
        else this.outcome = effect.outcome;
        break;
      default:
    }
  }

  #restart(): void {
    this.#hit("restart");
    this.#copy += 1;
    this.#flights = [];
    this.#asked.clear();
    this.#sender = newSender(this.#chunks, LIMITS);
    this.#toSender({ kind: "start" });
  }

  #toReceiver(input: ReceiverInput): void {
    const { state, effects } = stepReceiver(this.#receiver, input);
    assertReceiver(state);
    this.#receiver = state;
    for (const effect of effects) this.#carryOutReceiving(effect);
  }

  #carryOutReceiving(effect: ReceiverEffect): void {
    switch (effect.kind) {
      case "begin":
        this.#staged = { offer: effect.offer, chunks: [], durable: 0, whole: false };
        break;
      case "write":
        expect(effect.index).toBe(this.#staged?.chunks.length);
        this.#staged?.chunks.push(`${this.#staged.offer.id}/${effect.index}`);
        break;
      case "sync":
        this.#syncs.push(effect);
        break;
      case "verify":
        if (this.#staged !== undefined) this.#staged.whole = true;
        this.#toReceiver({ kind: "verified", id: effect.id, intact: true });
        break;
      case "received":
        this.#install(effect.offer);
        break;
      case "discard":
        this.#staged = undefined;
        break;
      default:
        this.#answer(effect);
    }
  }

  #answer(effect: Extract<ReceiverEffect, { kind: "reply" }>): void {
    const flight = this.#asked.get(effect.ticket);
    this.#asked.delete(effect.ticket);
    if (effect.reply.kind === "ack") {
      expect(effect.reply.next).toBeLessThanOrEqual(this.#staged?.durable ?? 0);
    }
    if (flight !== undefined) this.#flights.push({ ...flight, reply: effect.reply });
  }

  #install(offer: SnapshotOffer): void {
    const wanted = Array.from({ length: this.#chunks }, (_, i) => `${offer.id}/${i}`);
    expect(this.#staged?.chunks).toEqual(wanted);
    expect(this.#staged?.durable).toBe(this.#chunks);
    this.installed = offer.id;
    this.#toReceiver({ kind: "installed", id: offer.id });
  }

  #finishSync(): void {
    const sync = this.#syncs.shift();
    if (sync === undefined) return;
    if (this.#staged?.offer.id === sync.id) this.#staged.durable = sync.chunks;
    this.#toReceiver({ ...sync, kind: "synced" });
  }

  /** The receiver's power goes: every call is lost, and some of what was not synced. */
  #crash(): void {
    const staged = this.#staged;
    this.#syncs = [];
    for (const { to } of this.#asked.values()) this.#flights.push(lostFlight(to));
    this.#asked.clear();
    this.#receiver = newReceiver(toTerm(1), LIMITS);
    if (staged === undefined) return;
    const kept = this.#random.between(staged.durable, staged.chunks.length);
    const lost = this.#chance("durable_chunks_lost", 10) ? this.#random.below(kept + 1) : kept;
    this.#staged = { ...staged, chunks: staged.chunks.slice(0, lost), durable: lost };
    const { offer, whole } = staged;
    this.#toReceiver({ kind: "recovered", offer, chunks: lost, whole: whole && lost === kept });
  }
}

/** The answer will never come; the sender's call ends all the same. */
function lostFlight(to: SentMessage): Flight {
  const reply: SnapshotReply = {
    kind: "refuse",
    id: "",
    reason: "unknown",
    term: toTerm(0),
    index: toLogIndex(0),
  };
  return { to, request: { kind: "finish" }, reply };
}

describe("a transfer over a bad network to a node that crashes", () => {
  it("SX-1 SX-2 SX-4 SX-14 ends with one whole copy installed, in 3,000 seeded runs", () => {
    const hits = new Map<string, number>();
    for (let seed = 1; seed <= 3_000; seed += 1) {
      const world = new World(seed);
      world.run(400);
      expect(world.outcome, `seed ${seed}`).toEqual({ kind: "installed" });
      expect(world.installed, `seed ${seed}`).toBeDefined();
      for (const [name, count] of world.hits) hits.set(name, (hits.get(name) ?? 0) + count);
    }
    const names = ["reordered", "lost", "doubled", "damaged", "crash", "restart"];
    for (const name of [...names, "durable_chunks_lost"]) {
      expect(hits.get(name), name).toBeGreaterThan(50);
    }
  });
});

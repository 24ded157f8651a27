import { describe, expect, it } from "vitest";
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

const offer = (more: Partial<SnapshotOffer> = {}): SnapshotOffer => ({
  id: "a",
  term: toTerm(3),
  position: { index: toLogIndex(50), term: toTerm(2) },
  sizeBytes: 25,
  chunkBytes: 10,
  force: false,
  config: null,
  ...more,
});

/** A receiver; its answers by ticket, and what else it asked for. */
class Receiver {
  state: ReceiverState;
  readonly replies = new Map<number, SnapshotReply>();
  #tickets = 0;

  constructor(limits: Partial<SnapshotLimits> = {}) {
    this.state = newReceiver(toTerm(1), { ...SNAPSHOT_LIMITS, ...limits });
  }

  step(input: ReceiverInput): ReceiverEffect[] {
    const { state, effects } = stepReceiver(this.state, input);
    assertReceiver(state);
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === "reply") this.replies.set(effect.ticket, effect.reply);
    }
    return effects.filter(({ kind }) => kind !== "reply");
  }

  #ask(input: (ticket: number) => ReceiverInput) {
    this.#tickets += 1;
    const effects = this.step(input(this.#tickets));
    const ticket = this.#tickets;
    return { effects, ticket, reply: () => this.replies.get(ticket) };
  }

  offer(more: Partial<SnapshotOffer> = {}, applied = 0, hasRoom = true) {
    return this.#ask((ticket) => ({
      kind: "offer",
      ticket,
      offer: offer(more),
      applied: toLogIndex(applied),
      hasRoom,
    }));
  }

  chunk(index: number, check: "intact" | "corrupt" | "foreign" = "intact", id = "a") {
    return this.#ask((ticket) => ({ kind: "chunk", ticket, id, index, check }));
  }

  finish(id = "a") {
    return this.#ask((ticket) => ({ kind: "finish", ticket, id }));
  }

  abort(id = "a") {
    return this.#ask((ticket) => ({ kind: "abort", ticket, id }));
  }

  synced(chunks: number, id = "a") {
    return this.step({ kind: "synced", id, chunks });
  }

  /** With `chunks` of the three written and durable. */
  static at(chunks: number, limits: Partial<SnapshotLimits> = {}): Receiver {
    const receiver = new Receiver(limits);
    receiver.offer();
    receiver.synced(0);
    for (let i = 0; i < chunks; i += 1) {
      receiver.chunk(i);
      receiver.synced(i + 1);
    }
    return receiver;
  }

  static installing(): Receiver {
    const receiver = Receiver.at(3);
    receiver.finish();
    receiver.step({ kind: "verified", id: "a", intact: true });
    return receiver;
  }
}

const ack = (next: number, id = "a") => ({ kind: "ack", id, next });
const refused = (reason: string) => expect.objectContaining({ kind: "refuse", reason });

describe("receiver of a copy", () => {
  it("SX-2 an offer and each chunk are answered once they are durable, one sync for many", () => {
    const receiver = new Receiver();
    const offered = receiver.offer();
    expect(offered.effects).toEqual([
      { kind: "begin", offer: offer() },
      { kind: "sync", id: "a", chunks: 0 },
    ]);
    expect(offered.reply()).toBe(undefined);
    receiver.synced(0);
    expect(offered.reply()).toEqual(ack(0));
    const chunks = [receiver.chunk(0), receiver.chunk(1), receiver.chunk(2)];
    expect(chunks.map(({ effects }) => effects)).toEqual([
      [
        { kind: "write", index: 0 },
        { kind: "sync", id: "a", chunks: 1 },
      ],
      [{ kind: "write", index: 1 }],
      [{ kind: "write", index: 2 }],
    ]);
    expect(receiver.synced(1)).toEqual([{ kind: "sync", id: "a", chunks: 3 }]);
    expect(chunks.map(({ reply }) => reply())).toEqual([ack(1), undefined, undefined]);
    expect(receiver.synced(3)).toEqual([]);
    expect(chunks.map(({ reply }) => reply())).toEqual([ack(1), ack(3), ack(3)]);
  });

  it("SX-4 the same offer again is answered with where to go on", () => {
    const receiver = Receiver.at(1);
    receiver.chunk(1);
    const again = receiver.offer();
    expect(again.effects).toEqual([]);
    expect(again.reply()).toEqual(ack(1));
  });

  it("SX-4 what was found on disk at the start is not asked for again", () => {
    const receiver = new Receiver();
    receiver.step({ kind: "recovered", offer: offer(), chunks: 2, whole: false });
    expect(receiver.offer().reply()).toEqual(ack(2));
    expect(receiver.chunk(2).effects[0]).toEqual({ kind: "write", index: 2 });
  });

  it("SX-5 chunks out of their turn change nothing", () => {
    const receiver = Receiver.at(1);
    expect(receiver.chunk(0).reply()).toEqual(ack(1));
    const late = receiver.chunk(2);
    expect(late.reply()).toEqual({ kind: "resend", id: "a", next: 1, reason: "gap" });
    receiver.chunk(1);
    const double = receiver.chunk(1);
    expect([late.effects, double.effects, double.reply()]).toEqual([[], [], undefined]);
    receiver.synced(2);
    expect(double.reply()).toEqual(ack(2));
    expect(receiver.chunk(7, "corrupt").reply()).toMatchObject({ kind: "resend", next: 2 });
  });

  it("SX-5 a flood of doubled chunks holds back no more answers than the limit", () => {
    const receiver = new Receiver({ waitingMax: 16 });
    receiver.offer();
    const doubled = Array.from({ length: 40 }, () => receiver.chunk(0));
    expect(doubled.filter(({ reply }) => reply() !== undefined)).toHaveLength(40 - 15);
    expect(doubled.at(-1)?.reply()).toEqual(ack(0));
  });

  it("SX-6 a damaged chunk is asked for again, a few times only", () => {
    const receiver = Receiver.at(1, { attemptsMax: 3 });
    const resend = { kind: "resend", id: "a", next: 1, reason: "corrupt" };
    expect(receiver.chunk(1, "corrupt").reply()).toEqual(resend);
    expect(receiver.chunk(1, "corrupt").reply()).toEqual(resend);
    const third = receiver.chunk(1, "corrupt");
    expect(third.reply()).toEqual(refused("corrupt"));
    expect(third.effects).toEqual([{ kind: "discard", reason: "corrupt" }]);
    expect(receiver.state.transfer).toBe(null);
  });

  it("SX-7 a sound chunk of something else ends the transfer", () => {
    const receiver = Receiver.at(1);
    const waiting = receiver.chunk(1);
    const foreign = receiver.chunk(2, "foreign");
    expect(foreign.reply()).toEqual(refused("foreign"));
    expect(waiting.reply()).toEqual(refused("foreign"));
    expect(foreign.effects).toEqual([{ kind: "discard", reason: "foreign" }]);
  });

  it("SX-7 a known id with other facts, and chunks of an unknown id, are refused", () => {
    const receiver = Receiver.at(1);
    expect(receiver.offer({ sizeBytes: 26 }).reply()).toEqual(refused("changed"));
    expect(receiver.chunk(1, "intact", "b").reply()).toEqual(refused("unknown"));
    expect(receiver.finish("b").reply()).toEqual(refused("unknown"));
    expect(receiver.abort("b").reply()).toEqual(refused("unknown"));
    expect(receiver.state.transfer?.written).toBe(1);
  });

  it("SX-8 a newer offer replaces an older one, and an older one is refused (FC-055)", () => {
    const at = (index: number) => ({ index: toLogIndex(index), term: toTerm(2) });
    const receiver = Receiver.at(1);
    const waiting = receiver.chunk(1);
    expect(receiver.offer({ id: "b", position: at(49) }).reply()).toEqual(refused("outdated"));
    const newer = receiver.offer({ id: "c", position: at(60) });
    expect(newer.effects.map(({ kind }) => kind)).toEqual(["discard", "begin", "sync"]);
    expect(waiting.reply()).toEqual(refused("replaced"));
    expect(receiver.offer({ id: "d", term: toTerm(2) }).reply()).toEqual(refused("older_term"));
    const later = receiver.offer({ id: "e", term: toTerm(4), position: at(10) });
    expect(later.effects.map(({ kind }) => kind)).toEqual(["discard", "begin", "sync"]);
  });

  it("SX-8 a higher term ends a transfer, but not the installing of a whole copy", () => {
    const receiver = Receiver.at(1);
    const waiting = receiver.chunk(1);
    expect(receiver.step({ kind: "term", term: toTerm(3) })).toEqual([]);
    expect(receiver.step({ kind: "term", term: toTerm(5) })).toEqual([
      { kind: "discard", reason: "older_term" },
    ]);
    expect(waiting.reply()).toEqual(refused("older_term"));
    expect(receiver.offer().reply()).toMatchObject({ reason: "older_term", term: 5 });
    const whole = Receiver.installing();
    expect(whole.step({ kind: "term", term: toTerm(5) })).toEqual([]);
    expect(whole.state.transfer?.phase).toBe("installing");
  });

  it("SX-9 a copy not newer than what is applied is refused, unless it is forced (FC-055)", () => {
    const receiver = new Receiver();
    expect(receiver.offer({}, 50).reply()).toMatchObject({ reason: "not_newer", index: 50 });
    expect(receiver.offer({ force: true }, 50).effects[0]?.kind).toBe("begin");
    expect(new Receiver().offer({}, 49).effects[0]?.kind).toBe("begin");
  });

  it("SX-10 SX-11 the end is proven once, then handed over; others wait", () => {
    const receiver = Receiver.at(3);
    const first = receiver.finish();
    const second = receiver.finish();
    expect(first.effects).toEqual([{ kind: "verify", id: "a" }]);
    expect(second.effects).toEqual([]);
    expect(receiver.offer({ id: "b" }).reply()).toEqual(refused("busy"));
    const handed = receiver.step({ kind: "verified", id: "a", intact: true });
    expect(handed).toEqual([{ kind: "received", offer: offer() }]);
    const installing = { kind: "installing", id: "a" };
    expect([first.reply(), second.reply()]).toEqual([installing, installing]);
    expect(receiver.offer().reply()).toEqual(installing);
    expect(receiver.abort().reply()).toEqual(installing);
    expect(receiver.offer({ id: "b", term: toTerm(9) }).reply()).toEqual(refused("busy"));
    expect(receiver.step({ kind: "installed", id: "a" })).toEqual([
      { kind: "discard", reason: "installed" },
    ]);
    expect(receiver.finish().reply()).toEqual({ kind: "installed", id: "a" });
    expect(receiver.offer().reply()).toEqual({ kind: "installed", id: "a" });
  });

  it("SX-11 nothing is proven before every chunk is durable (FC-053)", () => {
    const receiver = Receiver.at(2);
    receiver.chunk(2);
    const early = receiver.finish();
    expect(early.effects).toEqual([]);
    expect(early.reply()).toMatchObject({ kind: "resend", next: 2 });
  });

  it("SX-11 a whole that differs from its checksum is dropped (FC-126)", () => {
    const receiver = Receiver.at(3);
    const asked = receiver.finish();
    expect(receiver.step({ kind: "verified", id: "a", intact: false })).toEqual([
      { kind: "discard", reason: "corrupt" },
    ]);
    expect(asked.reply()).toEqual(refused("corrupt"));
  });

  it("SX-12 a whole copy that was found at the start is handed over", () => {
    const receiver = new Receiver();
    expect(receiver.step({ kind: "recovered", offer: offer(), chunks: 3, whole: true })).toEqual([
      { kind: "received", offer: offer() },
    ]);
    expect(receiver.finish().reply()).toEqual({ kind: "installing", id: "a" });
  });

  it("SX-13 when the disk fails, everybody who waits is told (FC-052)", () => {
    const receiver = new Receiver();
    const offered = receiver.offer();
    expect(receiver.step({ kind: "stage_failed", id: "a" })).toEqual([
      { kind: "discard", reason: "failed" },
    ]);
    expect(offered.reply()).toEqual(refused("failed"));
    const whole = Receiver.installing();
    whole.step({ kind: "install_failed", id: "a" });
    expect(whole.finish().reply()).toEqual(refused("failed"));
    expect(whole.offer().reply()).toEqual(refused("failed"));
  });

  it("SX-14 an abort, or too long a silence, drops what is staged (FC-059)", () => {
    const receiver = Receiver.at(1);
    expect(receiver.abort().effects).toEqual([{ kind: "discard", reason: "aborted" }]);
    const silent = Receiver.at(1, { idleTicksMax: 3 });
    silent.step({ kind: "tick" });
    silent.step({ kind: "tick" });
    silent.chunk(0);
    silent.step({ kind: "tick" });
    silent.step({ kind: "tick" });
    expect(silent.step({ kind: "tick" })).toEqual([{ kind: "discard", reason: "expired" }]);
    expect(silent.chunk(1).reply()).toEqual(refused("unknown"));
  });

  it("SX-15 an offer without room, or with chunks too long, is refused before anything happens", () => {
    const receiver = new Receiver();
    expect(receiver.offer({}, 0, false).reply()).toEqual(refused("no_room"));
    const long = receiver.offer({ chunkBytes: SNAPSHOT_LIMITS.chunkBytesMax + 1 });
    expect(long.reply()).toEqual(refused("too_large"));
    expect([long.effects, receiver.state.transfer]).toEqual([[], null]);
  });

  it("SX-7 what the disk reports of an earlier transfer means nothing any more", () => {
    const receiver = Receiver.at(1);
    const before = receiver.state;
    for (const input of [
      { kind: "synced", id: "z", chunks: 3 },
      { kind: "verified", id: "z", intact: true },
      { kind: "installed", id: "z" },
      { kind: "install_failed", id: "z" },
      { kind: "stage_failed", id: "z" },
    ] as const) {
      expect(receiver.step(input)).toEqual([]);
      expect(receiver.state).toBe(before);
    }
  });
});

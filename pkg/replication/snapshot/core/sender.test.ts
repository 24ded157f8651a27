import { describe, expect, it } from "vitest";
import { toLogIndex, toTerm } from "../../../base/index.js";
import { SNAPSHOT_LIMITS, type SnapshotLimits } from "./limits.js";
import type { Refusal, SnapshotReply } from "./messages.js";
import {
  assertSender,
  newSender,
  type SenderEffect,
  type SenderInput,
  type SenderState,
  stepSender,
} from "./sender.js";

const LIMITS: SnapshotLimits = { ...SNAPSHOT_LIMITS, chunkBytes: 1, windowBytes: 4 };
const ack = (next: number): SnapshotReply => ({ kind: "ack", id: "a", next });
const refuse = (reason: Refusal): SnapshotReply => ({
  kind: "refuse",
  id: "a",
  reason,
  term: toTerm(9),
  index: toLogIndex(8),
});

/** A sender whose chunks are in memory as soon as it asks for them. */
class Sender {
  state: SenderState;
  readonly effects: SenderEffect[] = [];

  constructor(chunks: number, limits: Partial<SnapshotLimits> = {}) {
    this.state = newSender(chunks, { ...LIMITS, ...limits });
    this.step({ kind: "start" });
  }

  step(input: SenderInput): SenderEffect[] {
    const before = this.effects.length;
    const { state, effects } = stepSender(this.state, input);
    assertSender(state);
    this.state = state;
    this.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === "load") this.step({ kind: "loaded", index: effect.index });
    }
    return this.effects.slice(before).filter(({ kind }) => kind !== "load");
  }

  reply(kind: "offer" | "chunk" | "finish", reply: SnapshotReply, round = this.state.round) {
    return this.step({ kind: "reply", to: { round, kind }, reply });
  }

  lost(kind: "offer" | "chunk" | "finish", round = this.state.round) {
    return this.step({ kind: "lost", to: { round, kind } });
  }

  ticks(count: number): SenderEffect[] {
    return Array.from({ length: count }, () => this.step({ kind: "tick" })).flat();
  }
}

const indexes = (effects: readonly SenderEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "send_chunk" ? [effect.index] : []));
const ended = (effects: readonly SenderEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "ended" ? [effect.outcome] : []));

describe("sender of a copy", () => {
  it("SX-3 offers first, then keeps a window of chunks on its way", () => {
    const sender = new Sender(10);
    expect(sender.effects.filter(({ kind }) => kind.startsWith("send"))).toEqual([
      { kind: "send_offer", round: 1 },
    ]);
    expect(indexes(sender.reply("offer", ack(0)))).toEqual([0, 1, 2, 3]);
    expect(sender.reply("chunk", ack(1))).toEqual([
      { kind: "free", below: 1 },
      { kind: "send_chunk", round: 1, index: 4 },
    ]);
    expect(indexes(sender.reply("chunk", ack(5)))).toEqual([5]);
    expect(sender.state.flying).toBe(4);
  });

  it("SX-3 chunks of an earlier round that have no answer yet take room in the window", () => {
    const sender = new Sender(10);
    sender.reply("offer", ack(0));
    sender.lost("chunk", 1);
    expect(sender.ticks(LIMITS.retryTicks)).toEqual([{ kind: "send_offer", round: 2 }]);
    expect(indexes(sender.reply("offer", ack(0)))).toEqual([0]);
    expect(indexes(sender.lost("chunk", 1))).toEqual([1]);
  });

  it("SX-4 after a lost answer it asks where the receiver is, and goes on there", () => {
    const sender = new Sender(10);
    sender.reply("offer", ack(0));
    for (let i = 0; i < 4; i += 1) sender.lost("chunk", 1);
    expect(sender.ticks(LIMITS.retryTicks - 1)).toEqual([]);
    expect(sender.ticks(1)).toEqual([{ kind: "send_offer", round: 2 }]);
    expect(indexes(sender.reply("offer", ack(3)))).toEqual([3, 4, 5, 6]);
  });

  it("SX-4 a lost offer is sent again after some ticks, a lost finish asks anew", () => {
    const sender = new Sender(1);
    sender.lost("offer");
    expect(sender.ticks(LIMITS.retryTicks)).toEqual([{ kind: "send_offer", round: 2 }]);
    sender.reply("offer", ack(0));
    expect(sender.reply("chunk", ack(1)).at(-1)).toEqual({ kind: "send_finish", round: 2 });
    sender.lost("finish");
    expect(sender.ticks(LIMITS.retryTicks)).toEqual([{ kind: "send_offer", round: 3 }]);
    expect(sender.reply("offer", ack(1))).toEqual([{ kind: "send_finish", round: 3 }]);
  });

  it("SX-5 told of a gap it rewinds once, whatever the chunks behind the gap report", () => {
    const sender = new Sender(10);
    sender.reply("offer", ack(0));
    const gap: SnapshotReply = { kind: "resend", id: "a", next: 0, reason: "gap" };
    expect(indexes(sender.reply("chunk", gap, 1))).toEqual([0]);
    expect(indexes(sender.reply("chunk", gap, 1))).toEqual([1]);
    expect(indexes(sender.reply("chunk", gap, 1))).toEqual([2]);
    expect(sender.state.round).toBe(2);
  });

  it("SX-5 acknowledgements in any order never take it back", () => {
    const sender = new Sender(10);
    sender.reply("offer", ack(0));
    sender.reply("chunk", ack(3));
    expect(indexes(sender.reply("chunk", ack(1)))).toEqual([5]);
    expect(sender.state.acked).toBe(3);
  });

  it("SX-6 a chunk that arrives damaged too often ends the transfer by name", () => {
    const sender = new Sender(3, { attemptsMax: 3 });
    sender.reply("offer", ack(0));
    const corrupt: SnapshotReply = { kind: "resend", id: "a", next: 0, reason: "corrupt" };
    expect(ended(sender.reply("chunk", corrupt))).toEqual([]);
    expect(ended(sender.reply("chunk", corrupt))).toEqual([]);
    expect(sender.reply("chunk", corrupt)).toEqual([
      { kind: "send_abort" },
      { kind: "ended", outcome: { kind: "failed", reason: "corrupt" } },
    ]);
  });

  it("SX-6 progress forgives earlier damage", () => {
    const sender = new Sender(10, { attemptsMax: 2 });
    sender.reply("offer", ack(0));
    for (let next = 0; next < 5; next += 1) {
      sender.reply("chunk", { kind: "resend", id: "a", next, reason: "corrupt" });
      sender.reply("chunk", ack(next + 1));
    }
    expect(sender.state.phase).toBe("streaming");
  });

  it("SX-7 a receiver that lost what it acknowledged needs a fresh copy", () => {
    const sender = new Sender(10);
    sender.reply("offer", ack(0));
    sender.reply("chunk", ack(4));
    sender.lost("chunk");
    sender.ticks(LIMITS.retryTicks);
    const restart = { kind: "restart", reason: "receiver_lost_chunks" };
    expect(ended(sender.reply("offer", ack(2)))).toEqual([restart]);
  });

  it("SX-14 each refusal ends it, or makes it ask again", () => {
    const outcomes = (reason: Refusal) => ended(new Sender(2).reply("offer", refuse(reason)));
    expect(outcomes("not_newer")).toEqual([{ kind: "not_needed", index: 8 }]);
    expect(outcomes("older_term")).toEqual([{ kind: "older_term", term: 9 }]);
    expect(outcomes("foreign")).toEqual([{ kind: "restart", reason: "foreign" }]);
    expect(outcomes("changed")).toEqual([{ kind: "restart", reason: "changed" }]);
    for (const reason of ["no_room", "too_large", "failed", "outdated", "replaced"] as const) {
      expect(outcomes(reason)).toEqual([{ kind: "failed", reason }]);
    }
    for (const reason of ["busy", "unknown"] as const) {
      const sender = new Sender(2);
      expect(sender.reply("offer", refuse(reason))).toEqual([]);
      expect(sender.ticks(LIMITS.retryTicks)).toEqual([{ kind: "send_offer", round: 2 }]);
    }
  });

  it("SX-10 asks until the copy is installed", () => {
    const sender = new Sender(0);
    expect(sender.reply("offer", ack(0))).toEqual([{ kind: "send_finish", round: 1 }]);
    for (let i = 0; i < 200; i += 1) {
      sender.reply("finish", { kind: "installing", id: "a" });
      expect(sender.ticks(LIMITS.retryTicks)).toEqual([{ kind: "send_finish", round: 1 }]);
    }
    const done = sender.reply("finish", { kind: "installed", id: "a" });
    expect(ended(done)).toEqual([{ kind: "installed" }]);
    expect(sender.ticks(LIMITS.stallTicksMax)).toEqual([]);
  });

  it("SX-14 gives up after so many ticks without progress, and says so to the receiver (FC-059)", () => {
    const sender = new Sender(10);
    sender.reply("offer", ack(0));
    sender.ticks(LIMITS.stallTicksMax - 1);
    sender.reply("chunk", ack(1));
    expect(ended(sender.ticks(LIMITS.stallTicksMax - 1))).toEqual([]);
    expect(sender.ticks(1)).toEqual([
      { kind: "send_abort" },
      { kind: "ended", outcome: { kind: "failed", reason: "stalled" } },
    ]);
  });

  it("SX-14 ends when its owner aborts it, its source fails, or the receiver makes no sense", () => {
    const last = (input: SenderInput) => new Sender(4).step(input).at(-1);
    const failed = (reason: string) => ({ kind: "ended", outcome: { kind: "failed", reason } });
    expect(last({ kind: "abort" })).toEqual(failed("aborted"));
    expect(last({ kind: "source_failed" })).toEqual(failed("source_failed"));
    expect(new Sender(9).reply("offer", ack(5)).at(-1)).toEqual(failed("protocol"));
    const sender = new Sender(9);
    sender.reply("offer", ack(0));
    const ahead: SnapshotReply = { kind: "resend", id: "a", next: 5, reason: "gap" };
    expect(sender.reply("chunk", ahead).at(-1)).toEqual(failed("protocol"));
  });
});

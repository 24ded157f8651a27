import { describe, expect, it } from "vitest";
import type { Entry } from "../../ports/index.js";
import type { HaMessage } from "../messages.js";
import type { Rules } from "./rules.js";
import { at, inEpoch, Lab, TICKS } from "./testing.js";

/** A standby in step with its primary, which says nothing by itself any more. */
function follower(rules: Partial<Rules> = {}): Lab {
  const lab = new Lab(["a", "b"], {}, rules).found();
  lab.propose("a", 1, 2);
  lab.deliver();
  lab.tick(TICKS.heartbeatTicks);
  lab.node("b").effects = [];
  return lab;
}

/** Entries `from` to `upTo` as the primary would send them. */
function batch(lab: Lab, from: number, upTo: number, prevTerm?: number): HaMessage {
  const { term } = lab.state("a").hard;
  const entries = Array.from({ length: upTo - from + 1 }, (_, offset): Entry => {
    const index = at(from + offset);
    return { index, term, kind: "command", payload: new Uint8Array([index]) };
  });
  const prev = { index: at(from - 1), term: inEpoch(prevTerm ?? term) };
  return { kind: "wal_batch", epoch: term, prev, entries, commit: lab.state("a").hard.commit };
}

const acks = (lab: Lab) => {
  const posted = lab.posted("wal_ack");
  lab.letters = [];
  return posted.map(({ received, durable, gapAt }) => ({ received, durable, gapAt }));
};

describe("the stream", () => {
  it("HA-12 begins at what is durable at the standby", () => {
    const lab = follower();
    const durable = lab.state("b").log.last;
    lab.node("b").syncs = false;
    lab.propose("a", 3, 4);
    lab.deliver();
    expect(lab.view("a").standbys[0]).toMatchObject({ received: durable + 2, durable });
    lab.restart(lab.crash("b"));
    const sent = () => lab.posted("wal_batch").find(({ prev }) => prev.index === durable);
    for (let tick = 0; tick < 10 && sent() === undefined; tick += 1) {
      lab.input("a", { kind: "tick" });
      const heartbeats = lab.letters;
      lab.letters = [];
      for (const { to, body } of heartbeats) if (to === "b") lab.message("a", "b", body);
      const answers = lab.letters;
      lab.letters = [];
      for (const { to, body } of answers) if (to === "a") lab.message("b", "a", body);
    }
    expect(sent()?.entries.map(({ index }) => index)).toEqual([durable + 1, durable + 2]);
  });

  it("HA-12 every answer carries true positions, whatever came (FC-094)", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    lab.message("a", "b", batch(lab, last - 1, last));
    lab.message("a", "b", batch(lab, last, last));
    const here = { received: last, durable: last, gapAt: null };
    expect(acks(lab)).toEqual([here, here]);
    expect(lab.state("b").log.last).toBe(last);
  });

  it("HA-12 what is received is not told as durable (FC-105)", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    lab.node("b").syncs = false;
    lab.message("a", "b", batch(lab, last + 1, last + 1));
    expect(acks(lab)).toEqual([{ received: last + 1, durable: last, gapAt: null }]);
  });
});

describe("what is taken", () => {
  it("HA-13 what comes early waits for what is missing (FC-093)", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    lab.message("a", "b", batch(lab, last + 2, last + 2));
    expect(acks(lab)).toEqual([{ received: last, durable: last, gapAt: last + 1 }]);
    expect(lab.node("b").entries.at(-1)?.index).toBe(last);
    lab.message("a", "b", batch(lab, last + 1, last + 1));
    expect(lab.node("b").entries.at(-1)?.index).toBe(last + 2);
    expect(acks(lab).at(-1)).toEqual({ received: last + 2, durable: last + 2, gapAt: null });
  });

  it("HA-13 no more waits than the bound, and the primary sends the rest again", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    for (let from = last + 2; from < last + 40; from += 1) {
      lab.message("a", "b", batch(lab, from, from));
    }
    expect(lab.state("b").early).toHaveLength(16);
    expect(lab.state("b").log.last).toBe(last);
  });

  it("HA-13 entries that were lost on the way are sent again", () => {
    const lab = follower();
    lab.loses = "wal_batch";
    lab.propose("a", 3, 4);
    lab.deliver();
    lab.loses = null;
    lab.until(() => lab.answers("a").includes("answer 4"), "the lost entries come again");
    expect(lab.node("b").entries).toEqual(lab.node("a").entries);
  });

  function takesWhatDoesNotFit(rules: Partial<Rules>): boolean {
    const lab = follower(rules);
    const { last } = lab.state("b").log;
    lab.message("a", "b", batch(lab, last + 1, last + 1, 0));
    return lab.state("b").log.last > last;
  }

  it("HA-13 entries behind one of another epoch are not taken", () => {
    expect(takesWhatDoesNotFit({})).toBe(false);
    expect(takesWhatDoesNotFit({ fits: () => true })).toBe(true);
  });

  it("HA-13 a batch with a hole or of a later epoch than its primary's changes nothing", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    const sound = batch(lab, last + 1, last + 2);
    if (sound.kind !== "wal_batch") throw new Error("a batch is made");
    const [first, second] = sound.entries as [Entry, Entry];
    lab.message("a", "b", { ...sound, entries: [second] });
    lab.message("a", "b", { ...sound, entries: [{ ...first, term: inEpoch(99) }] });
    expect(lab.state("b").log.last).toBe(last);
    expect(lab.notes("b")).toEqual(["message_refused", "message_refused"]);
  });
});

describe("what a standby applies", () => {
  it("HA-14 is committed by the primary's word and durable here, one apply at a time", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    Object.assign(lab.node("b"), { syncs: false, works: false });
    const told = { ...batch(lab, last + 1, last + 3), commit: at(last + 90) } as HaMessage;
    lab.message("a", "b", told);
    expect([lab.state("b").hard.commit, lab.asked("b", "apply")]).toEqual([last, []]);
    lab.sync("b");
    expect(lab.state("b").hard.commit).toBe(last + 3);
    expect(lab.asked("b", "apply")).toEqual([{ kind: "apply", upTo: last + 3 }]);
    lab.message("a", "b", { ...batch(lab, last + 4, last + 4), commit: at(last + 4) } as HaMessage);
    lab.sync("b");
    expect(lab.asked("b", "apply")).toHaveLength(1);
    const { term } = lab.state("a").hard;
    lab.input("b", { kind: "applied", upTo: { index: at(last + 3), term } });
    expect(lab.asked("b", "apply").at(-1)).toEqual({ kind: "apply", upTo: last + 4 });
  });

  it("HA-14 nothing above what the primary says is committed", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    lab.message("a", "b", batch(lab, last + 1, last + 2));
    expect(lab.state("b")).toMatchObject({ durable: last + 2, applied: last });
  });
});

describe("a log without room", () => {
  it("HA-26 refuses the newest entries as if they never were (FC-017)", () => {
    const lab = follower();
    const { last } = lab.state("a").log;
    lab.answers("a");
    lab.node("a").isFull = true;
    lab.propose("a", 3);
    expect(lab.answers("a")).toEqual(["refuse 3 OVERLOADED"]);
    expect(lab.state("a")).toMatchObject({ log: { last }, obstacles: { logFull: true } });
    lab.node("a").isFull = false;
    lab.input("a", { kind: "disk", low: false });
    lab.propose("a", 4);
    lab.tick(2 * TICKS.heartbeatTicks);
    expect(lab.answers("a")).toEqual(["answer 4"]);
    expect(lab.node("b").entries).toEqual(lab.node("a").entries);
  });

  it("HA-26 a standby whose log is full reports nothing of it as received", () => {
    const lab = follower();
    const { last } = lab.state("b").log;
    lab.answers("a");
    lab.node("b").isFull = true;
    lab.propose("a", 3);
    lab.deliver();
    expect(lab.view("a").standbys[0]).toMatchObject({ received: last, durable: last });
    expect(lab.answers("a")).toEqual([]);
    lab.node("b").isFull = false;
    lab.until(() => lab.answers("a").includes("answer 3"), "the entry is sent again");
  });
});

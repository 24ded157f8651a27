import { describe, expect, it } from "vitest";
import type { HaMessage } from "../messages.js";
import type { Rules } from "./rules.js";
import { at, inEpoch, Lab, TICKS } from "./testing.js";

describe("semi_sync", () => {
  it("HA-7 is acknowledged when durable here and received by one standby in sync", () => {
    const lab = new Lab(["a", "b", "c"]).found();
    lab.node("b").syncs = false;
    lab.isolate("c");
    lab.propose("a", 1);
    expect(lab.answers("a")).toEqual([]);
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 1"]);
    expect(lab.node("b").durable.entries).toHaveLength(lab.node("b").entries.length - 1);
  });

  it("HA-7 not before it is durable here", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.node("a").syncs = false;
    lab.propose("a", 1);
    lab.deliver();
    expect(lab.answers("a")).toEqual([]);
    lab.sync("a");
    expect(lab.answers("a")).toEqual(["answer 1"]);
  });

  it("HA-7 alone only when the set is recorded empty (FC-102, FC-104)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.arbiter.fate = (_, { op }) => (op === "record" ? "failed" : "answered");
    lab.isolate("b");
    lab.propose("a", 1);
    lab.tick(3 * TICKS.lostTicks, ["a"]);
    expect(lab.answers("a")).toEqual([]);
    lab.arbiter.fate = () => "answered";
    lab.tick(TICKS.heartbeatTicks, ["a"]);
    expect(lab.arbiter.inSync).toEqual(["a"]);
    expect(lab.answers("a")).toEqual(["answer 1"]);
    expect(lab.notes("a")).toContain("degraded");
  });
});

describe("sync", () => {
  const sync = { syncMode: "sync" } as const;

  it("HA-8 is acknowledged when durable on every standby of the set (FC-105)", () => {
    const lab = new Lab(["a", "b", "c"], sync).found();
    lab.node("c").syncs = false;
    lab.propose("a", 1);
    lab.deliver();
    expect(lab.answers("a")).toEqual([]);
    lab.sync("c");
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 1"]);
  });

  it("HA-8 without any standby it refuses, and nothing happened", () => {
    const lab = new Lab(["a", "b"], sync).found();
    const { last } = lab.state("a").log;
    lab.isolate("b");
    lab.tick(5 * TICKS.lostTicks);
    lab.propose("a", 1);
    expect(lab.answers("a")).toEqual(["refuse 1 NO_STANDBY"]);
    expect(lab.state("a").log.last).toBe(last);
    expect(lab.arbiter.inSync).toEqual(["a", "b"]);
  });

  it("HA-8 the fallback lets it go on alone, once that is recorded", () => {
    const lab = new Lab(["a", "b"], { ...sync, ticks: { ...TICKS, fallbackTicks: 20 } }).found();
    lab.isolate("b");
    lab.tick(19);
    lab.propose("a", 1);
    expect(lab.arbiter.inSync).toEqual(["a", "b"]);
    lab.tick(2);
    lab.propose("a", 2);
    expect(lab.arbiter.inSync).toEqual(["a"]);
    expect(lab.answers("a")).toEqual(["refuse 1 NO_STANDBY", "answer 2"]);
  });
});

const wordOf = (lab: Lab, over: Partial<Extract<HaMessage, { kind: "wal_ack" }>>): HaMessage => ({
  kind: "wal_ack",
  epoch: lab.state("a").hard.term,
  disk: "b-disk",
  aligned: true,
  received: lab.state("a").log.last,
  durable: lab.state("a").log.last,
  gapAt: null,
  ...over,
});

describe("a standby's word", () => {
  function countsWordOfBefore(rules: Partial<Rules>): boolean {
    const lab = new Lab(["a", "b"], { syncMode: "sync" }, rules).found();
    lab.propose("a", 1);
    const before = inEpoch(lab.state("a").hard.term - 1);
    lab.message("b", "a", wordOf(lab, { epoch: before }));
    return lab.answers("a").includes("answer 1");
  }

  it("HA-9 counts in its epoch only (FC-107)", () => {
    expect(countsWordOfBefore({})).toBe(false);
    expect(countsWordOfBefore({ counts: () => true })).toBe(true);
  });

  it("HA-9 beyond what there is counts for nothing", () => {
    const lab = new Lab(["a", "b"], { syncMode: "sync" }).found();
    lab.propose("a", 1);
    const beyond = at(lab.state("a").log.last + 5);
    lab.message("b", "a", wordOf(lab, { received: beyond, durable: beyond }));
    expect(lab.answers("a")).toEqual([]);
  });

  it("HA-24 what comes back on another disk starts from nothing", () => {
    const lab = new Lab(["a", "b"], { syncMode: "sync" }).found();
    lab.propose("a", 1);
    lab.letters = [];
    const nothing = { aligned: false, received: at(0), durable: at(0) };
    lab.message("b", "a", wordOf(lab, { disk: "b-new", ...nothing }));
    expect(lab.notes("a")).toContain("standby_wiped");
    expect(lab.view("a").standbys).toMatchObject([{ id: "b", durable: 0, aligned: false }]);
    expect(lab.answers("a")).toEqual([]);
  });
});

describe("a write that asks for more than the mode", () => {
  const ask = (lab: Lab, ticket: number, durability: "received" | "persisted") =>
    lab.input("a", {
      kind: "propose",
      proposals: [
        { ticket, payload: new Uint8Array([ticket]), durability },
        { ticket: ticket + 1, payload: new Uint8Array([ticket]) },
      ],
    });

  it("HA-30 is held until a standby has it, and the others are not", () => {
    const lab = new Lab(["a", "b"], { syncMode: "async" }).found();
    lab.node("b").syncs = false;
    ask(lab, 1, "persisted");
    ask(lab, 3, "received");
    expect(lab.answers("a")).toEqual(["hold 1", "answer 2", "hold 3", "answer 4"]);
    lab.tick(TICKS.heartbeatTicks);
    expect(lab.answers("a")).toEqual(["settle 3"]);
    lab.sync("b");
    lab.deliver();
    expect(lab.asked("a", "settle")).toMatchObject([{ ticket: 1, durability: "persisted" }]);
  });

  it("HA-30 without a standby in contact is refused, and the others are not", () => {
    const lab = new Lab(["a", "b"], { syncMode: "async" }).found();
    const { last } = lab.state("a").log;
    lab.isolate("b");
    lab.tick(TICKS.contactTicks, ["a"]);
    ask(lab, 1, "received");
    expect(lab.answers("a")).toEqual(["refuse 1 NO_STANDBY", "answer 2"]);
    expect(lab.state("a").log.last).toBe(last + 1);
  });

  it("HA-30 of unknown fate when the role is lost first", () => {
    const lab = new Lab(["a", "b"], { syncMode: "async" }).found();
    lab.node("b").syncs = false;
    ask(lab, 1, "persisted");
    lab.deliver();
    lab.answers("a");
    const epoch = inEpoch(lab.state("a").hard.term + 5);
    lab.message("b", "a", { kind: "fence", epoch, reason: "test" } as never);
    lab.until(() => lab.state("a").lead === null, "it stepped down");
    expect(lab.answers("a")).toContain("refuse 1 COMMIT_UNKNOWN");
  });
});

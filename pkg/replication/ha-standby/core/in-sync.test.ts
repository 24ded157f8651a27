import { describe, expect, it } from "vitest";
import { type NodeId, type Position, toLogIndex, toTerm } from "../../../base/index.js";
import type { HaInput } from "./effects.js";
import { DEFAULT_HA_LIMITS, DEFAULT_HA_TICKS, type HaOptions, type SyncMode } from "./options.js";
import type { Rules } from "./rules.js";
import type { HaState } from "./state.js";
import { createHaCore } from "./step.js";
import { Lab, TICKS } from "./testing.js";

const own = "a" as NodeId;
const NOTHING: Position = { index: toLogIndex(0), term: toTerm(0) };

/** A primary of a pair without an arbiter that was one before, alone, for so many ticks. */
function alone(policy: HaOptions["policy"], syncMode: SyncMode, ticks: number) {
  const core = createHaCore({
    id: own,
    disk: "disk-a",
    peers: ["b" as NodeId],
    startsAsPrimary: true,
    arbiter: "peer",
    policy,
    syncMode,
    autoFailover: true,
    ticks: DEFAULT_HA_TICKS,
    limits: DEFAULT_HA_LIMITS,
  });
  const hard = { term: toTerm(2), votedFor: own, commit: toLogIndex(1), epoch: 2 };
  const last = { index: toLogIndex(1), term: toTerm(2) };
  const terms = [{ first: toLogIndex(1), term: toTerm(2) }];
  const queue: HaInput[] = [
    { kind: "recovered", hard, base: NOTHING, last, applied: NOTHING, terms },
  ];
  const notes: string[] = [];
  let state: HaState = core.initial;
  for (let passed = 0; passed < ticks; ) {
    const next = queue.shift();
    if (next === undefined) passed += 1;
    const step = core.step(state, next ?? { kind: "tick" });
    core.assertInvariants(step.state);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "persist") {
        queue.push({ kind: "persisted", seq: effect.seq, upTo: state.log.last });
      } else if (effect.kind === "apply") {
        queue.push({ kind: "applied", upTo: { index: effect.upTo, term: state.hard.term } });
      } else if (effect.kind === "note") notes.push(effect.event);
    }
  }
  return { state, notes };
}

const { failoverTicks, lostTicks } = DEFAULT_HA_TICKS;
const LONG = 3 * (failoverTicks + lostTicks);

describe("a primary whose standby never came", () => {
  it("HA-11 under availability begins its epoch without it, and says so (FC-108)", () => {
    const { state, notes } = alone("availability", "semi_sync", LONG);
    expect(notes).toEqual(expect.arrayContaining(["became_primary", "degraded", "primary_ready"]));
    expect(state.lead).toMatchObject({ inSync: [] });
    expect(state.hard.commit).toBe(state.lead?.readyIndex);
  });

  it("HA-11 serves nobody where a standby's word is needed: sync, or consistency (FC-086, FC-104)", () => {
    for (const [policy, mode] of [
      ["availability", "sync"],
      ["consistency", "semi_sync"],
      ["consistency", "async"],
    ] as const) {
      const { notes } = alone(policy, mode, LONG);
      expect([policy, mode, notes.includes("primary_ready")]).toEqual([policy, mode, false]);
      expect(notes).not.toContain("degraded");
    }
  });
});

const outcomeOfRecords = (lab: Lab, fate: "failed" | "unheard" | "under way" | "answered") => {
  lab.arbiter.fate = (_, { op }) => (op === "record" ? fate : "answered");
};
const records = (lab: Lab) =>
  lab.arbiter.asked.flatMap(({ request }) => (request.op === "record" ? [request.inSync] : []));

describe("a change of the set whose outcome is not learned", () => {
  it("HA-11 is asked for again: who is back in contact is named again", () => {
    const lab = new Lab(["a", "b"]).found();
    outcomeOfRecords(lab, "unheard");
    lab.isolate("b");
    lab.until(() => lab.arbiter.inSync.length === 1, "the arbiter dropped b");
    lab.cut.clear();
    lab.tick(2 * TICKS.requestTicks);
    outcomeOfRecords(lab, "answered");
    lab.until(() => lab.arbiter.inSync.length === 2, "b is named again");
    lab.until(() => lab.stage("b") === "streaming", "b is told");
    lab.crash("a");
    lab.until(() => lab.view("b").isLeader, "b takes over");
  });

  it("HA-11 a standby that it names is dropped by a new epoch, in which it is void", () => {
    const lab = new Lab(["a", "b", "c"]).found();
    const { term } = lab.state("a").hard;
    outcomeOfRecords(lab, "under way");
    lab.isolate("b");
    lab.until(() => lab.state("a").lead?.unsettled.length === 1, "dropping b was given up");
    outcomeOfRecords(lab, "answered");
    lab.cut.clear();
    lab.tick(2 * TICKS.heartbeatTicks);
    expect(lab.arbiter.inSync).toHaveLength(3);
    lab.isolate("c");
    lab.until(() => !lab.arbiter.inSync.includes(lab.ids[2] as NodeId), "c is dropped");
    lab.arbiter.arrive();
    expect(lab.arbiter.inSync).not.toContain("c");
    expect(lab.state("a").hard.term).toBeGreaterThan(term);
  });

  /** The arbiter may hold `c` alone by now; what `b` alone has is lost when `c` is promoted. */
  function countsWhoIsBeingDropped(rules: Partial<Rules>): boolean {
    const lab = new Lab(["a", "b", "c"], {}, rules).found();
    outcomeOfRecords(lab, "under way");
    lab.isolate("b");
    lab.until(() => lab.state("a").lead?.pending != null, "dropping b is under way");
    lab.cut.clear();
    lab.tick(TICKS.heartbeatTicks);
    lab.cut.add("a>c");
    lab.propose("a", 1);
    lab.deliver();
    const { last } = lab.state("a").log;
    expect(lab.view("a").standbys).toMatchObject([{ received: last }, { received: last - 1 }]);
    return lab.answers("a").includes("answer 1");
  }

  it("HA-11 in semi_sync the word of one whom it drops is not enough (FC-102)", () => {
    expect(countsWhoIsBeingDropped({})).toBe(false);
    expect(countsWhoIsBeingDropped({ setsInForce: (known) => [known] })).toBe(true);
  });

  it("HA-11 an arbiter that goes away while it is asked stops no pair in contact", () => {
    const lab = new Lab(["a", "b"]);
    lab.boot("a");
    lab.until(() => lab.view("a").isLeader, "a leads alone");
    lab.arbiter.fate = (_, { op }) => (op === "record" ? "under way" : "answered");
    lab.boot("b");
    lab.until(() => lab.state("a").lead?.pending != null, "adding b is under way");
    lab.arbiter.fate = () => "failed";
    lab.propose("a", 1);
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 1"]);
    lab.tick(3 * TICKS.ttlTicks);
    lab.propose("a", 2);
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 2"]);
  });

  it("HA-11 is asked for no more than once a heartbeat, however much is written", () => {
    const lab = new Lab(["a", "b"]).found();
    outcomeOfRecords(lab, "failed");
    lab.isolate("b");
    lab.until(() => lab.state("a").lead?.unsureSince != null, "dropping b failed");
    lab.cut.clear();
    const before = records(lab).length;
    for (let tick = 0; tick < 10; tick += 1) {
      lab.propose("a", 2 * tick, 2 * tick + 1);
      lab.tick();
    }
    expect(records(lab).length - before).toBeLessThanOrEqual(10 / TICKS.heartbeatTicks);
  });
});

describe("a standby that is there and does not follow", () => {
  it("HA-11 is taken out after the time of one that is lost, and is back with its copy", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("b");
    const b = lab.boot("b", {}, { disk: "b-new" });
    b.works = false;
    lab.input("a", { kind: "compacted", base: compactedTo(lab) });
    lab.until(() => lab.asked("b", "full_sync").length > 0, "b needs a copy");
    lab.propose("a", 1);
    lab.until(() => lab.arbiter.inSync.length === 1, "b is taken out", 2 * TICKS.lostTicks);
    expect(lab.answers("a")).toContain("answer 1");
    expect(lab.view("a").standbys).toMatchObject([{ inContact: true, inSync: false }]);
    b.works = true;
    const [wanted] = lab.asked("b", "full_sync");
    if (wanted !== undefined) {
      lab.input("b", { kind: "copy_failed", from: wanted.from, epoch: wanted.epoch });
    }
    lab.until(() => lab.arbiter.inSync.length === 2, "b is back");
  });
});

function compactedTo(lab: Lab): Position {
  const { applied, hard } = lab.state("a");
  return { index: applied, term: hard.term };
}

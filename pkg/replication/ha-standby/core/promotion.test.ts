import { describe, expect, it } from "vitest";
import type { HaMessage } from "../messages.js";
import type { Rules } from "./rules.js";
import { inEpoch, Lab, name, TICKS } from "./testing.js";

const LONG = 100;
const leads = (lab: Lab, id: string) => () => lab.view(id).isLeader;

describe("the first epoch", () => {
  /** Its settings say primary, its disk knows the epoch of another; the arbiter is new. */
  function obeysSettings(rules: Partial<Rules>): boolean {
    const lab = new Lab(["a", "b"], {}, rules);
    lab.boot("a", { terms: [1, 3], votedFor: "b" });
    lab.tick(LONG);
    return lab.view("a").role === "primary";
  }

  it("HA-17 the configured role does not override a stored epoch", () => {
    expect(obeysSettings({})).toBe(false);
    expect(obeysSettings({ startsAsPrimary: (configured) => configured })).toBe(true);
  });

  it("HA-17 without an arbiter it needs an answer of every node (FC-096)", () => {
    const lab = new Lab(["a", "b", "c"], { arbiter: "peer" });
    lab.boot("a");
    lab.boot("b");
    lab.tick(LONG);
    expect(lab.view("a").role).toBe("standby");
    lab.boot("c");
    lab.until(leads(lab, "a"), "a founds the epoch");
  });

  it("HA-17 who is configured as standby founds none", () => {
    const lab = new Lab(["a", "b"]);
    lab.boot("b");
    lab.tick(LONG);
    expect(lab.view("b")).toMatchObject({ role: "standby", epoch: 0 });
  });
});

describe("a promotion", () => {
  it("HA-18 asks, writes the epoch down, fences, takes the lease, and only then serves", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.until(leads(lab, "b"), "b takes over");
    const steps = lab.node("b").effects.flatMap((one): string[] => {
      if (one.kind === "ask_arbiter") return [one.request.op];
      if (one.kind === "send" && one.body.kind === "fence") return ["fence"];
      if (one.kind === "persist") return [one.entries.length > 0 ? "first entry" : "epoch"];
      return one.kind === "note" && one.event === "primary_ready" ? ["serves"] : [];
    });
    const order = ["read", "epoch", "fence", "acquire", "first entry", "serves"];
    expect([...new Set(steps)].filter((step) => order.includes(step))).toEqual(order);
  });

  it("HA-18 that the arbiter does not answer leaves a standby", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.arbiter.fate = (_, { op }) => (op === "acquire" ? "failed" : "answered");
    lab.until(() => lab.notes("b").includes("claim_failed"), "the claim fails");
    expect(lab.view("b")).toMatchObject({ role: "standby", isLeader: false });
    lab.arbiter.fate = () => "answered";
    lab.until(leads(lab, "b"), "the next one does not");
  });

  it("HA-18 that a crash interrupts leaves a standby, also where it was granted (FC-099)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.arbiter.fate = (_, { op }) => (op === "acquire" ? "unheard" : "answered");
    lab.until(() => lab.state("b").claim?.stage === "acquiring", "b asks for the lease");
    expect(lab.arbiter.holder).toBe("b");
    lab.restart(lab.crash("b"));
    expect(lab.view("b")).toMatchObject({ role: "standby", isLeader: false });
    lab.arbiter.fate = () => "answered";
    const { epoch } = lab.arbiter;
    lab.until(leads(lab, "b"), "what was granted to it is its own");
    expect(lab.state("b").hard.term).toBeGreaterThan(epoch);
  });
});

describe("by itself a standby is promoted only if", () => {
  it("HA-19 it heard its primary since its own start (FC-095)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.restart(lab.crash("b"));
    lab.tick(LONG);
    expect(lab.view("b").role).not.toBe("primary");
  });

  it("HA-19 it was told that it is in sync, and holds what it was told of (FC-106)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.loses = "wal_batch";
    lab.propose("a", 1);
    lab.deliver();
    const { follow } = lab.state("b");
    lab.message("a", "b", {
      kind: "heartbeat",
      epoch: lab.state("a").hard.term,
      at: 1,
      round: 1,
      last: { index: lab.state("a").log.last, term: lab.state("a").hard.term },
      commit: lab.state("a").log.last,
      authority: true,
      inSync: true,
      disk: "b-disk",
      table: null,
    });
    expect(follow?.told).toBe(true);
    lab.crash("a");
    lab.tick(LONG);
    expect(lab.view("b").role).not.toBe("primary");
  });

  it("HA-19 the arbiter names it", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.arbiter.inSync = [name("a")];
    lab.tick(LONG);
    expect(lab.view("b").role).not.toBe("primary");
    lab.arbiter.inSync = [name("a"), name("b")];
    lab.until(leads(lab, "b"), "b is named");
  });
});

describe("the old primary", () => {
  /** Cut off from `b` whose word it has, after its lease at the arbiter lapsed. */
  function leadsBesideIt(rules: Partial<Rules>): boolean {
    const lab = new Lab(["a", "b"], {}, rules).found();
    lab.arbiter.fate = (from) => (from === "a" ? "failed" : "answered");
    lab.tick(2 * TICKS.ttlTicks);
    lab.isolate("a");
    lab.input("b", { kind: "gone", peer: name("a") });
    for (let tick = 0; tick < LONG; tick += 1) {
      lab.tick();
      if (lab.view("b").isLeader) return lab.view("a").authority;
    }
    throw new Error("b never took over");
  }

  it("HA-20 has what a standby promised it: nobody leads beside it (FC-084)", () => {
    expect(leadsBesideIt({})).toBe(false);
    expect(leadsBesideIt({ promiseIsOver: () => true })).toBe(true);
  });

  it("HA-20 whose process is gone is waited for no longer than the promise", () => {
    const ticksUntil = (isGone: boolean) => {
      const lab = new Lab(["a", "b"]).found();
      lab.crash("a");
      const { now } = lab.state("b");
      if (isGone) lab.input("b", { kind: "gone", peer: name("a") });
      lab.until(leads(lab, "b"), "b takes over");
      return lab.state("b").now - now;
    };
    expect(ticksUntil(true)).toBeLessThanOrEqual(TICKS.ttlTicks + 2);
    expect(ticksUntil(true)).toBeLessThan(ticksUntil(false));
  });

  it("HA-20 after a restart a standby counts as having just promised", () => {
    const lab = new Lab(["a", "b"]).found();
    const { now, promiseUntil } = lab.restart(lab.crash("b")).state;
    expect(promiseUntil - now).toBe(TICKS.ttlTicks + 1);
  });
});

describe("with several standbys", () => {
  it("HA-21 in semi_sync every other one of the set must have answered", () => {
    const lab = new Lab(["a", "b", "c"]).found();
    lab.crash("a");
    const c = lab.crash("c");
    lab.tick(LONG);
    expect(lab.view("b").role).not.toBe("primary");
    lab.restart(c);
    lab.until(() => lab.view("b").isLeader || lab.view("c").isLeader, "they hear each other");
  });

  it("HA-21 whoever has less than one who answered gives way (FC-090)", () => {
    const lab = new Lab(["a", "b", "c"]).found();
    lab.isolate("b");
    lab.propose("a", 1);
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 1"]);
    lab.crash("a");
    lab.cut.clear();
    lab.until(() => lab.view("b").isLeader || lab.view("c").isLeader, "one of them takes over");
    expect(lab.view("c").isLeader).toBe(true);
  });

  it("HA-21 in sync one of the set needs no other", () => {
    const lab = new Lab(["a", "b", "c"], { syncMode: "sync" }).found();
    lab.crash("a");
    lab.crash("c");
    lab.until(leads(lab, "b"), "b takes over");
  });
});

describe("whoever is entitled", () => {
  it("HA-22 the last holder takes its role back, in a new epoch", () => {
    const lab = new Lab(["a", "b"]).found();
    const { term } = lab.state("a").hard;
    lab.restart(lab.crash("a"));
    lab.until(leads(lab, "a"), "a is back");
    expect(lab.state("a").hard.term).toBeGreaterThan(term);
  });

  it("HA-22 when every node is there and none has a primary, the newest log takes over", () => {
    const lab = new Lab(["a", "b", "c"]);
    Object.assign(lab.arbiter, { epoch: 2, holder: name("c"), inSync: [name("c")] });
    lab.boot("a", { terms: [1, 1], epoch: 1, votedFor: "c" });
    lab.boot("b", { terms: [1, 1, 1], epoch: 1, votedFor: "c" });
    lab.tick(LONG);
    expect([lab.view("a").role, lab.view("b").role]).not.toContain("primary");
    lab.boot("c");
    lab.until(leads(lab, "b"), "b has most");
  });
});

describe("an operator's force", () => {
  const order = (lab: Lab, id: string, force: boolean, othersStopped = false) =>
    lab.input(id, { kind: "promote", ticket: 7, force, othersStopped });

  it("HA-22 accepts losses; without it who was not in sync stays standby", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.isolate("b");
    lab.propose("a", 1);
    lab.tick(2 * TICKS.lostTicks);
    expect(lab.answers("a")).toEqual(["answer 1"]);
    lab.crash("a");
    order(lab, "b", false);
    lab.tick(LONG);
    expect(lab.answers("b")).toEqual(["refuse 7 CONFLICT"]);
    order(lab, "b", true);
    lab.until(leads(lab, "b"), "b is forced");
    expect(lab.answers("b")).toContain("done 7");
  });

  it("HA-22 makes no second primary beside one that has others' word", () => {
    const lab = new Lab(["a", "b", "c"], { syncMode: "sync" }).found();
    lab.isolate("c");
    lab.tick(2 * TICKS.lostTicks);
    expect(lab.arbiter.inSync).toEqual(["a", "b"]);
    lab.arbiter.fate = (from) => (from === "c" ? "answered" : "failed");
    lab.tick(2 * TICKS.ttlTicks);
    order(lab, "c", true);
    lab.tick(LONG);
    expect(lab.view("a").isLeader).toBe(true);
    expect(lab.view("c").role).not.toBe("primary");
    expect(lab.answers("c")).toEqual(["refuse 7 CONFLICT"]);
    lab.crash("a");
    lab.crash("b");
    order(lab, "c", true, true);
    lab.until(leads(lab, "c"), "an operator vouches that the others are stopped");
  });

  it("HA-22 without an arbiter an operator must vouch that the others are stopped", () => {
    const lab = new Lab(["a", "b"], { arbiter: "peer" }).found();
    lab.restart(lab.crash("b"));
    lab.crash("a");
    order(lab, "b", true);
    lab.tick(LONG);
    expect(lab.answers("b")).toEqual(["refuse 7 CONFLICT"]);
    order(lab, "b", true, true);
    lab.until(leads(lab, "b"), "b is forced");
  });
});

describe("without an arbiter", () => {
  it("HA-22 who was forced outranks what others went through unseen, and keeps its writes", () => {
    const lab = new Lab(["a", "b"], { arbiter: "peer" }).found();
    const a = lab.crash("a");
    lab.restart(lab.crash("b"));
    lab.input("b", { kind: "promote", ticket: 1, force: true, othersStopped: true });
    lab.until(leads(lab, "b"), "b is forced");
    lab.propose("b", 2);
    expect(lab.answers("b")).toEqual(["done 1", "answer 2"]);
    const { last } = lab.state("b").log;
    const hard = { ...a.durable.hard, term: inEpoch(41), votedFor: name("a"), epoch: 41 };
    lab.restart({ ...a, durable: { ...a.durable, hard } });
    lab.until(() => lab.stage("a") === "streaming", "a follows");
    expect(lab.view("b")).toMatchObject({ role: "primary" });
    expect(lab.node("b").entries.filter(({ index }) => index <= last)).toHaveLength(last);
  });

  it("HA-22 who led last does not insist while another node knows a newer epoch", () => {
    const lab = new Lab(["a", "b"], { arbiter: "peer" }).found();
    const epoch = lab.state("a").hard.term + 1;
    const [a, b] = [lab.crash("a"), lab.crash("b")];
    const hard = { ...b.durable.hard, term: inEpoch(epoch), votedFor: name("b"), epoch };
    lab.restart({ ...b, durable: { hard, entries: b.durable.entries.slice(0, -1) } });
    lab.restart(a);
    lab.until(leads(lab, "a"), "a has most");
  });
});

describe("a switchover", () => {
  it("HA-25 changes the roles, and nothing acknowledged is lost (FC-097)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.propose("a", 1);
    lab.input("a", { kind: "switchover", ticket: 2, target: null });
    lab.propose("a", 3);
    lab.until(leads(lab, "b"), "b takes over");
    expect(lab.answers("a")).toEqual(["refuse 3 NO_LEADER", "answer 1", "done 2"]);
    lab.until(() => lab.stage("a") === "streaming", "a is standby");
    expect(lab.node("b").entries).toEqual(lab.node("a").entries);
    expect(lab.arbiter.requests("release")).toMatchObject([{ from: "a" }]);
    expect(lab.state("b").now).toBeLessThan(LONG);
  });

  it("HA-25 whose standby does not catch up is given up, and the primary goes on", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.loses = "wal_batch";
    lab.propose("a", 1);
    lab.input("a", { kind: "switchover", ticket: 2, target: name("b") });
    lab.tick(TICKS.switchoverTicks + 1);
    expect(lab.answers("a")).toEqual(["refuse 2 NO_STANDBY"]);
    lab.loses = null;
    lab.until(() => lab.answers("a").includes("answer 1"), "a goes on");
  });

  it("HA-25 to a node that is not in sync is refused", () => {
    const lab = new Lab(["a", "b", "c"], { syncMode: "sync" }).found();
    lab.isolate("c");
    lab.tick(2 * TICKS.lostTicks);
    lab.input("a", { kind: "switchover", ticket: 1, target: name("c") });
    expect(lab.answers("a")).toEqual(["refuse 1 NO_STANDBY"]);
  });

  it("HA-25 only the primary that is followed may ask a standby to go on", () => {
    const lab = new Lab(["a", "b"]).found();
    const { log, hard } = lab.state("b");
    const asks = (epoch: number): HaMessage => ({
      kind: "promote",
      epoch: inEpoch(epoch),
      last: { index: log.last, term: hard.term },
      reason: "test",
    });
    lab.message("a", "b", asks(hard.term - 1));
    lab.message("c", "b", asks(hard.term));
    expect(lab.posted("promote_response").map(({ ready }) => ready)).toEqual([false, false]);
    expect(lab.state("b").claim).toBeNull();
  });
});

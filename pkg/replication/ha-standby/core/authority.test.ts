import { describe, expect, it } from "vitest";
import type { Rules } from "./rules.js";
import { Lab, TICKS } from "./testing.js";

const LEASE = TICKS.ttlTicks - TICKS.driftTicks;

/** A pair whose primary nobody hears any more: neither its standby nor its arbiter. */
function alone(rules: Partial<Rules> = {}): Lab {
  const lab = new Lab(["a", "b"], {}, rules).found();
  lab.arbiter.fate = (from) => (from === "a" ? "failed" : "answered");
  lab.isolate("a");
  return lab;
}

describe("a lease", () => {
  it("HA-4 counts from when the request left, less the drift", () => {
    const lab = alone();
    const { leaseAt } = lab.state("a").lead ?? { leaseAt: 0 };
    const { now } = lab.state("a");
    lab.tick(LEASE - (now - leaseAt) - 1, ["a"]);
    const before = lab.view("a").authority;
    lab.tick(1, ["a"]);
    expect([before, lab.view("a").authority]).toEqual([true, false]);
  });

  it("HA-4 an answer that took long prolongs it from when it was asked for", () => {
    const lab = alone();
    lab.arbiter.fate = () => "under way";
    lab.until(() => lab.state("a").lead?.renewal !== null, "a renewal is under way");
    const { renewal } = lab.state("a").lead ?? {};
    lab.tick(3, ["a"]);
    lab.input("a", {
      kind: "arbiter",
      id: renewal?.id ?? 0,
      answer: { ok: true, record: lab.arbiter.record() },
    });
    expect(lab.state("a").lead?.leaseAt).toBe(renewal?.sentAt);
  });

  it("HA-4 after the loop stood still nothing asked before gives authority (FC-079)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.propose("a", 1);
    lab.input("a", { kind: "stalled" });
    expect(lab.view("a").authority).toBe(false);
    lab.deliver();
    expect(lab.answers("a")).toEqual([]);
    lab.tick(TICKS.renewTicks);
    expect(lab.answers("a")).toEqual(["answer 1"]);
  });

  it("HA-4 a grant whose answer took longer than the lease is not taken up", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.arbiter.fate = (_, { op }) => (op === "acquire" ? "under way" : "answered");
    lab.until(() => lab.state("b").claim?.stage === "acquiring", "b asks for the lease");
    const id = lab.state("b").claim?.id ?? 0;
    lab.input("b", { kind: "stalled" });
    lab.arbiter.arrive();
    lab.input("b", { kind: "arbiter", id, answer: { ok: true, record: lab.arbiter.record() } });
    expect(lab.view("b").role).not.toBe("primary");
  });
});

describe("a renewal that fails at once", () => {
  it("HA-4 is asked for again after a heartbeat's time, and after an answer as ever", () => {
    const lab = new Lab(["a", "b"]).found();
    const leftAt: number[] = [];
    lab.arbiter.fate = (_, { op }) => {
      if (op === "renew") leftAt.push(lab.state("a").now + 1);
      return leftAt.length <= 3 ? "failed" : "answered";
    };
    lab.tick(12);
    const gaps = leftAt.slice(1).map((at, index) => at - (leftAt[index] ?? 0));
    const { heartbeatTicks, renewTicks } = TICKS;
    expect(gaps.slice(0, 4)).toEqual([heartbeatTicks, heartbeatTicks, heartbeatTicks, renewTicks]);
  });
});

describe("without its arbiter", () => {
  const withoutArbiter = (ids: string[], rules: Partial<Rules> = {}) => {
    const lab = new Lab(ids, {}, rules).found();
    lab.arbiter.fate = () => "failed";
    return lab;
  };

  it("HA-5 a pair in contact goes on for as long as it likes", () => {
    const lab = withoutArbiter(["a", "b"]);
    lab.tick(20 * TICKS.ttlTicks);
    lab.propose("a", 1);
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 1"]);
    expect(lab.notes("a")).not.toContain("authority_lost");
  });

  /** c, which may be promoted, is cut off; a and b still hear each other. */
  function goesOnWithOneWord(rules: Partial<Rules>): boolean {
    const lab = withoutArbiter(["a", "b", "c"], rules);
    lab.isolate("c");
    lab.tick(2 * TICKS.ttlTicks);
    lab.propose("a", 1);
    lab.deliver();
    return lab.answers("a").includes("answer 1");
  }

  it("HA-5 the word of every standby that may be promoted is needed, not of one (FC-087)", () => {
    expect(goesOnWithOneWord({})).toBe(false);
    const anyOne: Partial<Rules> = { agrees: (promises) => promises.includes(true) };
    expect(goesOnWithOneWord(anyOne)).toBe(true);
  });

  it("HA-5 an empty set promises nothing", () => {
    const lab = new Lab(["a", "b"]);
    lab.boot("a");
    lab.until(() => lab.view("a").isLeader, "a leads alone");
    lab.arbiter.fate = () => "failed";
    lab.tick(LEASE);
    expect(lab.view("a")).toMatchObject({ role: "primary", authority: false });
    expect(lab.state("a").lead?.inSync).toEqual([]);
  });
});

describe("what may be said", () => {
  it("HA-6 an applied write is held without authority, and told when there is some (FC-101)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.node("a").works = false;
    lab.propose("a", 1);
    lab.deliver();
    const [apply] = lab.asked("a", "apply");
    lab.input("a", { kind: "stalled" });
    const position = {
      index: apply?.upTo ?? lab.state("a").applied,
      term: lab.state("a").hard.term,
    };
    lab.input("a", { kind: "applied", upTo: position });
    expect(lab.answers("a")).toEqual(["hold 1"]);
    lab.tick(TICKS.renewTicks);
    expect(lab.answers("a")).toEqual(["settle 1"]);
  });

  it("HA-6 a write whose primary loses its role gets one answer: nobody knows", () => {
    const lab = alone();
    lab.propose("a", 1);
    lab.until(() => lab.view("b").role === "primary", "b takes over");
    lab.cut.clear();
    lab.until(() => lab.view("a").role === "standby", "a follows");
    lab.tick(TICKS.ttlTicks);
    expect(lab.answers("a")).toEqual(["refuse 1 COMMIT_UNKNOWN"]);
  });

  it("HA-6 neither writes nor reads are taken without authority", () => {
    const lab = alone();
    lab.tick(LEASE, ["a"]);
    lab.propose("a", 1);
    lab.input("a", { kind: "read", ticket: 2 });
    expect(lab.answers("a")).toEqual(["refuse 1 NO_LEADER", "refuse 2 NO_LEADER"]);
  });
});

describe("a renewal that is refused", () => {
  /** The arbiter gave the lease to another, and the primary has not heard of it otherwise. */
  function goesOn(rules: Partial<Rules>): boolean {
    const lab = new Lab(["a", "b"], {}, rules).found();
    lab.arbiter.epoch += 1;
    lab.arbiter.holder = lab.ids[1] ?? null;
    lab.tick(TICKS.renewTicks + 1);
    return lab.view("a").role === "primary";
  }

  it("HA-23 ends the role at once", () => {
    expect(goesOn({})).toBe(false);
    expect(goesOn({ mustYield: () => false })).toBe(true);
  });

  it("HA-23 and what waits gets its answer", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.loses = "wal_ack";
    lab.propose("a", 1);
    lab.arbiter.released = true;
    lab.loses = null;
    lab.letters = [];
    lab.isolate("b");
    lab.tick(TICKS.renewTicks + 1, ["a"]);
    expect(lab.notes("a")).toContain("lease_lost");
    expect(lab.answers("a")).toEqual(["refuse 1 COMMIT_UNKNOWN"]);
  });
});

import { describe, expect, it } from "vitest";
import type { Rules } from "./rules.js";
import { Lab, TICKS } from "./testing.js";

/** `b` was gone while `a` wrote; now it is back and answers, but gets no entries. */
function backWithout(rules: Partial<Rules> = {}): Lab {
  const lab = new Lab(["a", "b"], {}, rules).found();
  const b = lab.crash("b");
  lab.until(() => lab.arbiter.inSync.length === 1, "b is taken out");
  lab.propose("a", 1, 2);
  expect(lab.answers("a")).toEqual(["answer 1", "answer 2"]);
  lab.loses = "wal_batch";
  lab.restart(b);
  lab.tick(3 * TICKS.heartbeatTicks);
  return lab;
}

describe("a standby that is back", () => {
  it("HA-10 joins the set once it holds all that was acknowledged (FC-106)", () => {
    const lab = backWithout();
    expect(lab.arbiter.inSync).toEqual(["a"]);
    lab.loses = null;
    lab.until(() => lab.arbiter.inSync.length === 2, "b is in");
    expect(lab.node("b").entries).toEqual(lab.node("a").entries);
    const tooEarly = backWithout({ mayJoin: () => true });
    expect(tooEarly.arbiter.inSync).toEqual(["a", "b"]);
    expect(tooEarly.node("b").entries.length).toBeLessThan(tooEarly.node("a").entries.length);
  });

  it("HA-10 is told so only after it is recorded", () => {
    const lab = backWithout();
    lab.arbiter.fate = (_, { op }) => (op === "record" ? "under way" : "answered");
    lab.loses = null;
    lab.until(() => lab.state("a").lead?.pending != null, "it is being recorded");
    lab.tick(TICKS.heartbeatTicks);
    expect(lab.node("b").entries).toEqual(lab.node("a").entries);
    expect(lab.state("b").follow?.told).toBe(false);
    lab.arbiter.fate = () => "answered";
    lab.until(() => lab.state("b").follow?.told === true, "b is told");
    expect(lab.arbiter.inSync).toEqual(["a", "b"]);
  });

  it("HA-10 is told nothing before the first entry of the epoch is committed", () => {
    const lab = new Lab(["a", "b"], { arbiter: "peer", syncMode: "sync" }).found();
    lab.restart(lab.crash("a"));
    lab.loses = "wal_batch";
    lab.until(() => lab.view("a").role === "primary", "a begins an epoch");
    const begun = () => lab.state("a").hard.commit >= (lab.state("a").lead?.readyIndex ?? 0);
    lab.tick(4 * TICKS.heartbeatTicks);
    expect([begun(), lab.state("b").follow?.told]).toEqual([false, false]);
    lab.loses = null;
    lab.until(() => lab.state("b").follow?.told === true, "b is told");
    expect(begun()).toBe(true);
  });
});

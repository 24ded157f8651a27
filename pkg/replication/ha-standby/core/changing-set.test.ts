import { describe, expect, it } from "vitest";
import type { Rules } from "./rules.js";
import { Lab, name } from "./testing.js";

const LONG = 100;
const leads = (lab: Lab, id: string) => () => lab.view(id).isLeader;

describe("those in sync change while a node seeks promotion", () => {
  /** The arbiter's record changes just before it takes a request for the lease. */
  const changing = (lab: Lab, ...sets: string[][]) => {
    lab.arbiter.fate = (_, { op }) => {
      const next = op === "acquire" ? sets.shift() : undefined;
      if (next !== undefined) lab.arbiter.inSync = next.map(name);
      return "answered";
    };
  };
  const withoutThird = (rules: Partial<Rules> = {}) => {
    const lab = new Lab(["a", "b", "c"], {}, rules).found();
    lab.isolate("c");
    lab.until(() => lab.arbiter.inSync.length === 2, "c is out of sync");
    lab.cut.clear();
    return lab;
  };

  /** Before `b`'s request arrives `c` is added, and alone has what is answered; then `a` is gone. */
  function leadsWithoutWrite(rules: Partial<Rules>): boolean {
    const lab = withoutThird(rules);
    lab.isolate("b");
    lab.arbiter.fate = (_, { op }) => (op === "acquire" ? "under way" : "answered");
    const asks = () => lab.state("b").claim?.stage === "acquiring";
    for (let tick = 0; !asks() && tick < LONG; tick += 1) lab.tick(1, ["b"]);
    lab.input("a", { kind: "stalled" });
    lab.until(() => lab.arbiter.inSync.length === 3, "c is added");
    lab.propose("a", 1);
    lab.deliver();
    expect(lab.answers("a")).toEqual(["answer 1"]);
    const written = lab.state("a").log.last;
    lab.crash("a");
    lab.isolate("c");
    lab.until(() => !lab.arbiter.record().held, "the lease of a runs out");
    lab.arbiter.arrive();
    lab.arbiter.fate = () => "answered";
    lab.tick(LONG);
    if (lab.view("b").isLeader) return true;
    lab.cut.clear();
    lab.until(() => lab.view("b").isLeader || lab.view("c").isLeader, "they hear each other");
    expect(lab.view("c").isLeader && lab.state("c").log.last >= written).toBe(true);
    return false;
  }

  const anySet: Partial<Rules> = { asReckoned: () => undefined };

  it("HA-32 who was added meanwhile may alone have what was answered, and is heard (FC-090)", () => {
    expect(leadsWithoutWrite({})).toBe(false);
    expect(leadsWithoutWrite(anySet)).toBe(true);
  });

  it("HA-32 the claim begins anew, and is granted once it has reckoned with all of them", () => {
    const lab = withoutThird();
    lab.crash("a");
    changing(lab, ["a", "b", "c"]);
    lab.until(leads(lab, "b"), "b takes over");
    expect(lab.notes("b")).not.toContain("claim_failed");
    const asked = lab.arbiter.requests("acquire").slice(-2);
    expect(asked.map(({ request }) => request)).toMatchObject([
      { ifInSync: ["a", "b"] },
      { ifInSync: ["a", "b", "c"] },
    ]);
  });

  it("HA-32 it begins anew three times at most", () => {
    const lab = withoutThird();
    const [all, two] = [
      ["a", "b", "c"],
      ["a", "b"],
    ];
    lab.crash("a");
    changing(lab, all, two, all, two, all);
    const before = lab.arbiter.requests("acquire").length;
    lab.until(() => lab.notes("b").includes("claim_failed"), "the claim fails");
    expect(lab.arbiter.requests("acquire").length - before).toBe(4);
    lab.until(leads(lab, "b"), "the next one does not");
  });

  /** `a` seemed to have nobody's word; by the time the order is carried out it has that of `b`. */
  function leadsBesideWhoHasWord(rules: Partial<Rules>): boolean {
    const lab = new Lab(["a", "b", "c"], {}, rules).found();
    for (const id of ["b", "c"]) lab.isolate(id);
    lab.until(() => lab.arbiter.inSync.length === 1, "a is alone in sync");
    lab.arbiter.endsAt = 0;
    changing(lab, ["a", "b"]);
    lab.input("c", { kind: "promote", ticket: 7, force: true, othersStopped: false });
    for (let tick = 0; tick < LONG && lab.state("c").claim !== null; tick += 1) lab.tick(1, ["c"]);
    expect(lab.answers("c")).toContain(lab.view("c").isLeader ? "done 7" : "refuse 7 CONFLICT");
    return lab.view("c").isLeader;
  }

  it("HA-32 an operator's force, too, is for the set that it reckoned with (FC-084)", () => {
    expect(leadsBesideWhoHasWord({})).toBe(false);
    expect(leadsBesideWhoHasWord(anySet)).toBe(true);
  });
});

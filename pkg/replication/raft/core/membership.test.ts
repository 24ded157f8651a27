import { describe, expect, it } from "vitest";
import type { MemberChange } from "./effects.js";
import {
  decodeMembership,
  encodeMembership,
  foundingMembership,
  type Membership,
} from "./membership.js";
import { at, ELECTION, inTerm, Lab, name } from "./testing.js";

const IDS = ["n1", "n2", "n3"];

function led(): Lab {
  const lab = new Lab(IDS);
  for (const id of IDS) lab.boot(id, []);
  lab.elect("n1");
  lab.tick(IDS, 2);
  lab.answers("n1");
  return lab;
}

function change(lab: Lab, what: MemberChange) {
  lab.input("n1", { kind: "change_members", ticket: 5, change: what });
  lab.deliver();
  return lab.answers("n1");
}
const membership = (lab: Lab, id = "n1") => lab.node(id).state.configs.at(-1)?.membership;
const voters = (lab: Lab, id = "n1") => membership(lab, id)?.voters.map((one) => one.id);

/** A fourth node with an empty log joins. */
function joined(voter: boolean): Lab {
  const lab = led();
  lab.start(lab.options("n4"), []);
  expect(change(lab, { kind: "add", id: name("n4"), address: "n4:1", voter })).toMatchObject([
    { kind: "done", ticket: 5 },
  ]);
  return lab;
}

describe("raft core: membership", () => {
  it("RA-26 a new voter learns first, and is promoted once it has caught up (FC-067)", () => {
    const lab = led();
    lab.isolate("n4");
    lab.cut.add("n1>n4");
    change(lab, { kind: "add", id: name("n4"), address: "n4:1", voter: true });
    lab.tick(IDS, 2 * ELECTION);
    expect(voters(lab)).toEqual(IDS);
    lab.cut.clear();
    lab.start(lab.options("n4"), []);
    lab.tick([...IDS, "n4"], ELECTION);
    expect(voters(lab)).toEqual([...IDS, "n4"]);
    expect(membership(lab)).toMatchObject({ outgoing: [], learners: [] });
    expect(lab.terms("n4")).toEqual(lab.terms("n1"));
  });

  it("RA-17 a learner that was asked for none has no vote and never counts (FC-068)", () => {
    const lab = joined(false);
    lab.tick([...IDS, "n4"], 2 * ELECTION);
    expect(voters(lab)).toEqual(IDS);
    lab.isolate("n2");
    lab.isolate("n3");
    lab.propose("n1", 1);
    lab.tick([...IDS, "n4"], 2);
    expect(lab.terms("n4")).toEqual(lab.terms("n1"));
    expect(lab.answers("n1")).toEqual([]);
  });

  it("RA-17 a joint membership decides with both majorities", () => {
    const lab = led();
    lab.isolate("n2");
    lab.isolate("n3", "in");
    lab.input("n1", {
      kind: "change_members",
      ticket: 5,
      change: { kind: "remove", id: name("n2") },
    });
    lab.deliver();
    expect(membership(lab)?.outgoing).toHaveLength(3);
    expect(lab.answers("n1")).toEqual([]);
    lab.cut.clear();
    lab.isolate("n2");
    lab.tick(["n1", "n3"], 12);
    expect(lab.answers("n1")).toMatchObject([{ kind: "done", ticket: 5 }]);
    expect(voters(lab)).toEqual(["n1", "n3"]);
    expect(membership(lab)?.outgoing).toEqual([]);
  });

  it.each<[string, MemberChange, string]>([
    ["one member twice", { kind: "add", id: name("n2"), address: "x:1", voter: true }, "CONFLICT"],
    ["a stranger", { kind: "remove", id: name("n9") }, "NOT_FOUND"],
    ["a voter's promotion", { kind: "promote", id: name("n2") }, "CONFLICT"],
  ])("RA-19 refuses %s", (_, what, code) => {
    expect(change(led(), what)).toMatchObject([{ kind: "refuse", code, tickets: [5] }]);
  });

  it("RA-19 a second change is refused while one is under way (FC-063)", () => {
    const lab = led();
    lab.isolate("n1");
    lab.input("n1", {
      kind: "change_members",
      ticket: 4,
      change: { kind: "demote", id: name("n3") },
    });
    expect(change(lab, { kind: "remove", id: name("n2") })).toMatchObject([
      { kind: "refuse", code: "CONFLICT", tickets: [5] },
    ]);
  });

  it("RA-19 no change before the leader has committed in its term (FC-062)", () => {
    const lab = new Lab(IDS);
    for (const id of IDS) lab.boot(id, []);
    lab.loses = "append";
    lab.elect("n1");
    expect(change(lab, { kind: "remove", id: name("n2") })).toMatchObject([
      { kind: "refuse", code: "NO_LEADER" },
    ]);
  });

  it("RA-19 the last voter stays, and so does whoever the quorum needs (FC-067, FC-069)", () => {
    const alone = new Lab(["n1"]);
    alone.boot("n1", []);
    alone.elect("n1");
    alone.answers("n1");
    expect(change(alone, { kind: "remove", id: name("n1") })).toMatchObject([{ code: "INVALID" }]);
    const lab = led();
    lab.isolate("n2");
    lab.tick(IDS, ELECTION);
    expect(change(lab, { kind: "remove", id: name("n3") })).toMatchObject([{ code: "NO_QUORUM" }]);
  });

  it("RA-20 a membership that is cut gives way to the one before (FC-064)", () => {
    const lab = led();
    lab.isolate("n1");
    lab.input("n1", {
      kind: "change_members",
      ticket: 4,
      change: { kind: "demote", id: name("n3") },
    });
    expect(voters(lab)).toEqual(["n1", "n2"]);
    lab.elect("n2");
    expect(lab.node("n2").state.role).toBe("leader");
    lab.cut.clear();
    lab.tick(["n2", "n3", "n1"], 4);
    expect(lab.node("n1").state.role).toBe("follower");
    expect(voters(lab)).toEqual(IDS);
  });

  it("RA-20 a node campaigns by the newest membership of its log, applied or not (FC-065)", () => {
    const lab = new Lab([...IDS, "n4", "n5"]);
    const all = lab.founders.map((one) => ({ ...one, disk: `${one.id}-disk` }));
    const [old, now] = [all.slice(0, 3), all];
    const one = (index: number, voters: typeof all, outgoing: typeof all) => ({
      index: at(index),
      term: inTerm(1),
      kind: "config" as const,
      payload: encodeMembership({ voters, outgoing, learners: [] }),
    });
    const log = [one(1, old, []), one(2, now, old), one(3, now, [])];
    const node = lab.start(lab.options("n1"), log);
    for (const id of ["n2", "n3"]) lab.start(lab.options(id), log.slice(0, 1));
    expect(node.state).toMatchObject({ applied: 0, hard: { commit: 0 } });
    lab.isolate("n3");
    lab.elect("n1");
    expect(node.state.role).toBe("precandidate");
    lab.cut.clear();
    lab.elect("n1");
    expect(node.state.role).toBe("leader");
  });

  it("RA-19 a change is an entry of the log, on every member and after a restart (FC-066)", () => {
    const lab = led();
    change(lab, { kind: "add", id: name("n4"), address: "n4:1", voter: false });
    const index = lab.node("n1").state.configs.at(-1)?.index as number;
    for (const id of IDS) {
      const payload = encodeMembership(membership(lab, id) as Membership);
      expect(lab.node(id).entries[index - 1]).toMatchObject({ kind: "config", payload });
      expect(membership(lab, id)).toEqual(membership(lab));
    }
    const before = membership(lab, "n2");
    lab.start(lab.options("n2"), lab.node("n2").entries);
    expect(membership(lab, "n2")).toEqual(before);
    expect(before?.learners.map((one) => one.id)).toEqual(["n4"]);
  });

  it("RA-3 a node that does not know of its vote gives it to whoever asks (FC-031)", () => {
    const lab = joined(false);
    lab.cut.add("n1>n3");
    lab.cut.add("n1>n4");
    lab.input("n1", {
      kind: "change_members",
      ticket: 6,
      change: { kind: "promote", id: name("n4") },
    });
    lab.deliver();
    lab.tick(["n1"]);
    expect(membership(lab, "n2")).toMatchObject({ learners: [], outgoing: [{}, {}, {}] });
    expect(membership(lab, "n4")?.learners.map((one) => one.id)).toEqual(["n4"]);
    lab.isolate("n1");
    lab.cut.add("n4>n2");
    lab.elect("n2");
    expect(lab.node("n2").state.role).toBe("precandidate");
    lab.cut.delete("n4>n2");
    lab.elect("n2");
    expect(lab.node("n2").state.role).toBe("leader");
    lab.tick(["n2", "n3", "n4"], 4);
    expect(voters(lab, "n2")).toEqual([...IDS, "n4"]);
    expect(membership(lab, "n2")?.outgoing).toEqual([]);
  });

  it("RA-22 a leader that is removed hands over and is quiet (FC-029)", () => {
    const lab = led();
    expect(change(lab, { kind: "remove", id: name("n1") })).toMatchObject([{ kind: "done" }]);
    lab.tick(["n2", "n3"], 2);
    const leaders = IDS.filter((id) => lab.node(id).state.role === "leader");
    expect(leaders).toHaveLength(1);
    expect(leaders).not.toContain("n1");
    lab.tick(["n1"], 5 * ELECTION);
    expect(lab.node("n1").state.role).toBe("follower");
  });

  it("RA-22 a node removed while away learns of it and stops asking (FC-030, FC-070)", () => {
    const lab = led();
    lab.isolate("n3");
    change(lab, { kind: "remove", id: name("n3") });
    lab.cut.clear();
    const { term } = lab.node("n1").state.hard;
    lab.tick(["n3"], 3 * ELECTION);
    expect(lab.node("n3").state).toMatchObject({ quiet: true, role: "follower", hard: { term } });
    expect(lab.node("n1").state.role).toBe("leader");
  });

  it("RA-26 a voter with a new disk starts again as a learner and gets its vote back (FC-071)", () => {
    const lab = led();
    lab.propose("n1", 1, 2);
    lab.deliver();
    lab.start(lab.options("n3", { disk: "n3-new" }), []);
    lab.tick(IDS, 2 * ELECTION);
    expect(
      membership(lab)
        ?.voters.map((one) => one.disk)
        .sort(),
    ).toEqual(["n1-disk", "n2-disk", "n3-new"]);
    expect(lab.terms("n3")).toEqual(lab.terms("n1"));
  });

  it("RA-18 founders write the same bytes, and what was written is read again (FC-072)", () => {
    const one = { id: name("n1"), address: "a:1" };
    const two = { id: name("n2"), address: "b:1" };
    const bytes = encodeMembership(foundingMembership([two, one]));
    expect(bytes).toEqual(encodeMembership(foundingMembership([one, two])));
    expect(decodeMembership(bytes)).toEqual(foundingMembership([one, two]));
    expect(decodeMembership(new Uint8Array([123]))).toBeUndefined();
    expect(decodeMembership(new TextEncoder().encode('{"voters":[]}'))).toBeUndefined();
  });
});

describe("raft core: handing over", () => {
  it("RA-27 leadership goes to the voter that is named, within a moment", () => {
    const lab = led();
    lab.input("n1", { kind: "transfer", ticket: 6, target: name("n3") });
    lab.deliver();
    expect(lab.node("n3").state.role).toBe("leader");
    expect(lab.answers("n1")).toMatchObject([{ kind: "done", ticket: 6 }]);
  });

  it("RA-27 writes are refused meanwhile; a target that does not take over costs no leader (FC-028)", () => {
    const lab = led();
    lab.cut.add("n1>n3");
    lab.input("n1", { kind: "transfer", ticket: 6, target: name("n3") });
    lab.propose("n1", 7);
    expect(lab.answers("n1")).toMatchObject([{ kind: "refuse", code: "NO_LEADER", tickets: [7] }]);
    lab.tick(["n1", "n2"], ELECTION);
    expect(lab.answers("n1")).toMatchObject([{ kind: "refuse", code: "LAGGING", tickets: [6] }]);
    lab.propose("n1", 8);
    lab.deliver();
    expect(lab.answers("n1")).toMatchObject([{ kind: "answer", ticket: 8 }]);
  });

  it("RA-27 nobody but a voter that answers is asked (FC-028)", () => {
    const lab = joined(false);
    lab.input("n1", { kind: "transfer", ticket: 6, target: name("n4") });
    expect(lab.answers("n1")).toMatchObject([{ kind: "refuse", code: "INVALID", tickets: [6] }]);
  });

  it("RA-27 whoever stops hands over first and takes no more writes", () => {
    const lab = led();
    lab.input("n1", { kind: "stop" });
    lab.deliver();
    expect(IDS.filter((id) => lab.node(id).state.role === "leader")).not.toContain("n1");
    lab.propose("n1", 1);
    expect(lab.answers("n1")).toMatchObject([{ code: "SHUTTING_DOWN" }]);
    expect(lab.node("n1").state.log.last).toBeGreaterThan(at(1));
  });
});

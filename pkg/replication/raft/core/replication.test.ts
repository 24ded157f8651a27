import { describe, expect, it } from "vitest";
import { termAt } from "../../progress/index.js";
import type { RaftMessage } from "../messages.js";
import { at, ELECTION, inTerm, Lab } from "./testing.js";

function trio(terms: Record<string, readonly number[]> = {}): Lab {
  const lab = new Lab(["n1", "n2", "n3"]);
  for (const id of ["n1", "n2", "n3"]) lab.boot(id, terms[id] ?? []);
  return lab;
}

const append = (over: Partial<Extract<RaftMessage, { kind: "append" }>>): RaftMessage => ({
  kind: "append",
  term: inTerm(3),
  prevIndex: at(1),
  prevTerm: inTerm(1),
  entries: [],
  commit: at(0),
  ...over,
});
const entry = (index: number, term: number) => ({
  index: at(index),
  term: inTerm(term),
  kind: "command" as const,
  payload: new Uint8Array([index]),
});

describe("raft core: replication", () => {
  it("RA-12 a write is answered once, after a quorum holds it and it was applied", () => {
    const lab = trio();
    lab.elect("n1");
    lab.cut.add("n1>n3");
    lab.propose("n1", 7, 8);
    expect(lab.answers("n1")).toEqual([]);
    lab.deliver();
    expect(lab.answers("n1")).toMatchObject([
      { kind: "answer", ticket: 7, durability: "quorum" },
      { kind: "answer", ticket: 8 },
    ]);
    lab.tick(["n1", "n2", "n3"], ELECTION / 2);
    expect(lab.answers("n1")).toEqual([]);
  });

  it("RA-12 a write whose index another entry took is unknown, and never done (FC-012)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.isolate("n1");
    lab.propose("n1", 7);
    lab.deliver();
    const { last } = lab.node("n1").state.log;
    lab.elect("n2");
    lab.propose("n2", 8);
    lab.cut.clear();
    lab.tick(["n1", "n2", "n3"], 6);
    const { applied, log } = lab.node("n1").state;
    expect(applied).toBeGreaterThan(last);
    expect(termAt(log, last)).toBe(lab.node("n2").state.hard.term);
    expect(lab.answers("n1")).toMatchObject([
      { kind: "refuse", code: "COMMIT_UNKNOWN", tickets: [7] },
    ]);
    expect(lab.answers("n2")).toMatchObject([{ kind: "answer", ticket: 8 }]);
  });

  it("RA-12 a write counts in the term it was logged in, or is refused before it is logged (FC-013)", () => {
    const lab = trio();
    lab.elect("n1");
    const node = lab.node("n1");
    const { term } = node.state.hard;
    lab.isolate("n1");
    node.syncs = false;
    lab.propose("n1", 7);
    const { last } = node.state.log;
    lab.tick(["n1"], ELECTION);
    expect(lab.answers("n1")).toMatchObject([{ code: "COMMIT_UNKNOWN", tickets: [7] }]);
    lab.propose("n1", 8);
    expect(lab.answers("n1")).toMatchObject([{ code: "NO_LEADER", tickets: [8] }]);
    expect(node.state.log.last).toBe(last);
    node.syncs = true;
    lab.sync("n1");
    lab.cut.clear();
    lab.elect("n1");
    expect(node.state.role).toBe("leader");
    expect(lab.terms("n1").slice(last - 1)).toEqual([term, node.state.hard.term]);
    expect(node.state.hard.term).toBeGreaterThan(term);
    expect(lab.answers("n1")).toEqual([]);
  });

  it("RA-8 a leader counts itself, and one node is a quorum of one, only after its sync (FC-007, FC-008)", () => {
    const lab = new Lab(["n1"]);
    lab.boot("n1", []);
    lab.elect("n1");
    lab.node("n1").syncs = false;
    lab.propose("n1", 1);
    expect(lab.answers("n1")).toEqual([]);
    lab.sync("n1");
    expect(lab.answers("n1")).toMatchObject([{ kind: "answer", ticket: 1 }]);
  });

  it("RA-8 a follower acknowledges after its sync, as far as its sync went (FC-007, FC-009)", () => {
    const lab = trio();
    const follower = lab.node("n2");
    lab.message("n1", "n2", append({ entries: [entry(2, 3)] }));
    lab.letters = [];
    follower.syncs = false;
    lab.message(
      "n1",
      "n2",
      append({ prevIndex: at(2), prevTerm: inTerm(3), entries: [entry(3, 3)] }),
    );
    expect(lab.letters).toEqual([]);
    lab.sync("n2");
    expect(lab.letters.map(({ body }) => body)).toMatchObject([{ success: true, matchIndex: 3 }]);
  });

  // Figure 7 of the paper; the membership stands at index 1, so everything is one further on.
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  it.each([
    ["a: misses one", [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ["b: misses many", [1, 1, 1, 4]],
    ["c: one too many", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ["d: a later term too many", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ["e: its own tail of term 4", [1, 1, 1, 4, 4, 4, 4]],
    ["f: tails of terms 2 and 3", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])("RA-7 figure 7, follower %s, ends with the leader's log", (_, terms) => {
    const lab = new Lab(["n1", "n2", "n3"]);
    lab.boot("n1", leader, { term: 8 });
    lab.boot("n2", [1]);
    lab.boot("n3", terms, { term: 7 });
    lab.elect("n1");
    lab.tick(["n1", "n2", "n3"], 6);
    expect(lab.node("n1").state.role).toBe("leader");
    expect(lab.terms("n3")).toEqual(lab.terms("n1"));
    expect(lab.node("n3").state.hard.commit).toBe(lab.node("n1").state.hard.commit);
  });

  it("RA-7 a conflict is backed up by whole terms, not by entries", () => {
    const lab = new Lab(["n1", "n2", "n3"]);
    const old = Array.from({ length: 200 }, () => 2);
    lab.boot("n1", [...Array.from({ length: 200 }, () => 3)], { term: 4 });
    lab.boot("n2", [1]);
    lab.boot("n3", old);
    lab.elect("n1");
    const refusals = lab
      .node("n3")
      .effects.filter(
        (effect) =>
          effect.kind === "send" && effect.body.kind === "append_response" && !effect.body.success,
      );
    expect(refusals.length).toBeLessThanOrEqual(3);
    lab.tick(["n1", "n2", "n3"], 4);
    expect(lab.terms("n3")).toEqual(lab.terms("n1"));
  });

  it("RA-9 figure 8: an entry of an older term on a majority is not committed by that (FC-001)", () => {
    const lab = trio({ n1: [2], n2: [2], n3: [2] });
    lab.loses = "append";
    lab.elect("n1");
    const node = lab.node("n1");
    const { term } = node.state.hard;
    const holds = (id: string, index: number): void => {
      const answer = {
        kind: "append_response",
        term,
        success: true,
        matchIndex: at(index),
      } as const;
      lab.message(id, "n1", { ...answer, disk: `${id}-disk` });
    };
    holds("n2", 2);
    holds("n3", 2);
    expect(node.state.hard.commit).toBe(0);
    holds("n2", 3);
    expect(node.state.hard.commit).toBe(3);
  });

  it("RA-6 a shorter or doubled message cuts nothing (FC-006)", () => {
    const lab = trio();
    lab.message("n1", "n2", append({ entries: [entry(2, 3), entry(3, 3), entry(4, 3)] }));
    lab.message("n1", "n2", append({ entries: [entry(2, 3)] }));
    expect(lab.terms("n2")).toEqual([1, 3, 3, 3]);
  });

  it("RA-7 the commit is believed no further than what this leader verified (FC-011)", () => {
    const lab = trio({ n2: [2, 2, 2] });
    lab.message("n1", "n2", append({ commit: at(4) }));
    expect(lab.node("n2").state.hard.commit).toBe(1);
  });

  it("RA-11 only what is committed and durable here is applied, one apply at a time (FC-014)", () => {
    const lab = trio();
    const follower = lab.node("n2");
    follower.syncs = false;
    follower.effects = [];
    lab.message("n1", "n2", append({ entries: [entry(2, 3), entry(3, 3)], commit: at(2) }));
    const applied = () =>
      follower.effects.flatMap((effect) => (effect.kind === "apply" ? [effect.upTo] : []));
    expect(applied()).toEqual([1]);
    lab.sync("n2");
    expect(applied()).toEqual([1, 2]);
    follower.state = { ...follower.state, applying: at(3), applied: at(2) };
    expect(follower.core.step(follower.state, { kind: "tick" }).effects).toEqual([]);
  });

  it("RA-6 what is committed is never cut, whoever says so", () => {
    const lab = trio();
    lab.message("n1", "n2", append({ entries: [entry(2, 3)], commit: at(2) }));
    lab.message("n3", "n2", append({ term: inTerm(9), entries: [entry(2, 9)] }));
    expect(lab.terms("n2")).toEqual([1, 3]);
  });

  it("RA-1 a leader of an older term learns of the newer one (FC-016)", () => {
    const lab = trio({ n2: [5] });
    lab.letters = [];
    lab.message("n1", "n2", append({ entries: [entry(2, 3)] }));
    expect(lab.letters.map(({ body }) => body)).toMatchObject([{ term: 5, success: false }]);
    expect(lab.terms("n2")).toEqual([1, 5]);
  });

  it("RA-10 an acknowledgement of an earlier term does not count (FC-010)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.isolate("n1");
    lab.propose("n1", 1);
    const { last } = lab.node("n1").state.log;
    const late = {
      kind: "append_response",
      term: inTerm(1),
      success: true,
      matchIndex: last,
    } as const;
    lab.message("n2", "n1", { ...late, disk: "n2-disk" });
    expect(lab.answers("n1")).toEqual([]);
  });

  it("RA-24 a lost message and a lost acknowledgement are made good by the next rounds (FC-025)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.isolate("n3");
    lab.isolate("n2", "out");
    lab.propose("n1", 1);
    lab.deliver();
    expect(lab.answers("n1")).toEqual([]);
    lab.cut.clear();
    lab.tick(["n1", "n2", "n3"], 12);
    expect(lab.answers("n1")).toMatchObject([{ kind: "answer", ticket: 1 }]);
    expect(lab.terms("n3")).toEqual(lab.terms("n1"));
  });

  it("RA-24 an idle follower hears of the commit within two heartbeats (FC-032)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.propose("n1", 1);
    lab.deliver();
    lab.tick(["n1", "n2", "n3"], 2);
    expect(lab.node("n3").state.hard.commit).toBe(lab.node("n1").state.hard.commit);
  });

  it("RA-28 a log without room refuses the newest writes and keeps the rest", () => {
    const lab = trio();
    lab.elect("n1");
    const node = lab.node("n1");
    const before = node.state.log.last;
    node.syncs = false;
    lab.propose("n1", 5);
    const from = at(before + 1);
    lab.input("n1", { kind: "persist_refused", seq: node.state.persistSeq, from });
    expect(lab.answers("n1")).toMatchObject([{ kind: "refuse", code: "OVERLOADED", tickets: [5] }]);
    expect(node.state.log.last).toBe(before);
    expect(node.core.view(node.state).state).toBe("read_only");
  });

  it("RA-25 a follower that lost what it acknowledged says so and votes for nobody (FC-017, FC-042)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.propose("n1", 1);
    lab.deliver();
    lab.boot("n3", []);
    lab.tick(["n1", "n2", "n3"], 3);
    expect(lab.node("n3").state.lost).toBe(true);
    expect(lab.node("n1").state.lead?.peers.get(lab.node("n3").id)?.lost).toBe(true);
  });

  it("RA-21 what was compacted is sent as a snapshot; an old one is ignored (FC-055)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.isolate("n3");
    lab.propose("n1", 1, 2, 3);
    lab.deliver();
    const { last, runs } = lab.node("n1").state.log;
    const position = { index: last, term: runs.at(-1)?.term ?? inTerm(0) };
    lab.input("n1", { kind: "compacted", base: position });
    lab.cut.clear();
    lab.tick(["n1", "n2", "n3"], 12);
    const asked = lab.node("n1").effects.find((effect) => effect.kind === "send_snapshot");
    expect(asked).toMatchObject({ to: "n3", minIndex: last });
    const config = lab.node("n1").state.configs[0];
    if (config === undefined) throw new Error("a membership is known");
    const received = {
      kind: "snapshot_received",
      from: lab.node("n1").id,
      term: position.term,
      position,
      config,
    } as const;
    lab.input("n3", received);
    expect(lab.node("n3").effects.at(-1)).toMatchObject({ kind: "install", keepTail: false });
    lab.input("n3", { kind: "installed", position });
    lab.deliver();
    expect(lab.node("n3").state).toMatchObject({ applied: last, log: { base: position } });
    lab.input("n3", received);
    expect(lab.node("n3").effects.map((effect) => effect.kind)).toContain("discard_snapshot");
  });

  it("RA-1 RA-21 a copy that outlived the crash which took its term brings the term along", () => {
    const lab = trio();
    const term = inTerm(7);
    const config = lab.node("n1").state.configs[0];
    if (config === undefined) throw new Error("a membership is known");
    const position = { index: at(9), term };
    lab.input("n3", { kind: "snapshot_received", from: lab.node("n1").id, term, position, config });
    lab.input("n3", { kind: "installed", position });
    lab.deliver();
    expect(lab.node("n3").state).toMatchObject({ applied: 9, hard: { term: 7 } });
  });
});

import { describe, expect, it } from "vitest";
import type { HaEffect } from "./effects.js";
import { at, type Disk, inEpoch, Lab, name } from "./testing.js";

/** `b` leads epoch 3 behind entries of epoch 1; `a` comes back with what it had. */
function comesBack(primary: Disk, returning: Disk, works = true): Lab {
  const lab = new Lab(["a", "b"]);
  const epoch = primary.epoch ?? 2;
  Object.assign(lab.arbiter, { epoch, holder: name("b"), inSync: [name("b")] });
  lab.boot("b", { ...primary, epoch, votedFor: "b" });
  lab.until(() => lab.view("b").isLeader, "b takes its role back");
  lab.boot("a", { epoch: 1, votedFor: "a", ...returning });
  lab.node("a").works = works;
  return lab;
}

const kinds = (effects: readonly HaEffect[]) => effects.map(({ kind }) => kind);
const cuts = (lab: Lab) =>
  lab.asked("a", "persist").filter((one) => one.truncateFrom !== undefined);

describe("a tail that differs", () => {
  it("HA-15 is in a salvage file before it is cut (FC-091)", () => {
    const lab = comesBack({ terms: [1, 1] }, { terms: [1, 1, 1, 1], commit: 1 }, false);
    lab.until(() => lab.asked("a", "salvage").length > 0, "a keeps its tail aside");
    const [salvage] = lab.asked("a", "salvage");
    expect(salvage).toMatchObject({ from: 3, upTo: 4, state: false, primary: "b" });
    lab.tick(20);
    expect(cuts(lab)).toEqual([]);
    expect(lab.terms("a")).toEqual([1, 1, 1, 1]);
    const next = lab.input("a", { kind: "salvaged", id: salvage?.id ?? 0 });
    expect(kinds(next)).toContain("persist");
    expect(cuts(lab)).toMatchObject([{ truncateFrom: 3 }]);
    lab.node("a").works = true;
    lab.until(() => lab.stage("a") === "streaming", "a streams");
    expect(lab.node("a").entries).toEqual(lab.node("b").entries);
  });

  it("HA-15 what was kept for a primary that is gone is kept again for the next", () => {
    const lab = comesBack({ terms: [1, 1] }, { terms: [1, 1, 1, 1], commit: 1 }, false);
    lab.until(() => lab.asked("a", "salvage").length > 0, "a keeps its tail aside");
    const [salvage] = lab.asked("a", "salvage");
    lab.message("b", "a", {
      kind: "heartbeat",
      epoch: inEpoch(9),
      at: 1,
      round: 1,
      last: { index: lab.state("b").log.last, term: inEpoch(9) },
      commit: lab.state("b").hard.commit,
      authority: true,
      inSync: false,
      disk: null,
      table: null,
    });
    lab.input("a", { kind: "salvaged", id: salvage?.id ?? 0 });
    expect(cuts(lab)).toEqual([]);
  });

  it("HA-15 where the log no longer reaches the fork, a copy of the state is kept beside it", () => {
    const base = { index: at(3), term: inEpoch(1) };
    const lab = comesBack(
      { terms: [1] },
      { base, terms: [1], commit: 4, applied: 4, epoch: 1 },
      false,
    );
    lab.until(() => lab.asked("a", "salvage").length > 0, "a keeps its state aside");
    expect(lab.asked("a", "salvage")).toMatchObject([{ from: 4, upTo: 4, state: true }]);
  });
});

describe("where nothing is known of the fork", () => {
  /** `b` forgot the beginning of its log, and `a` ends before that. */
  const forgot = (epoch: number) => ({
    base: { index: at(9), term: inEpoch(epoch) },
    terms: [epoch],
    commit: 9,
    applied: 9,
    epoch: 9,
  });
  const returning = { terms: [1, 5, 6], commit: 3, applied: 3, epoch: 6 };

  it("HA-15 all of the log is kept aside: it may be of several epochs of its own", () => {
    const lab = comesBack(forgot(8), returning, false);
    lab.until(() => lab.asked("a", "salvage").length > 0, "a keeps its log aside");
    expect(lab.asked("a", "salvage")).toMatchObject([{ from: 1, upTo: 3, state: false }]);
  });

  it("HA-15 entries of a later epoch than the primary's there are not its own", () => {
    const lab = comesBack(forgot(4), returning, false);
    lab.until(() => lab.asked("a", "salvage").length > 0, "a keeps its state aside");
    expect(lab.asked("a", "salvage")).toMatchObject([{ from: 1, upTo: 3, state: true }]);
  });
});

describe("what was committed", () => {
  it("HA-16 is never rewound: the node gets a copy (FC-092)", () => {
    const lab = comesBack({ terms: [1, 1] }, { terms: [1, 1, 1], commit: 3, applied: 3 });
    lab.until(() => lab.stage("a") === "streaming", "a streams");
    expect(lab.asked("a", "salvage")).toMatchObject([{ from: 3, upTo: 3 }]);
    expect(kinds(lab.node("a").effects)).toEqual(expect.arrayContaining(["full_sync", "install"]));
    expect(cuts(lab)).toEqual([]);
    expect(lab.state("a")).toMatchObject({ applied: lab.state("b").applied, lost: false });
  });

  it("HA-16 a copy that nobody waits for any more is put away", () => {
    const lab = new Lab(["a", "b"]).found();
    const position = { index: lab.state("a").applied, term: lab.state("a").hard.term };
    const epoch = lab.state("a").hard.term;
    lab.input("b", { kind: "copy_received", from: name("a"), epoch, position });
    expect(lab.asked("b", "discard_copy")).toEqual([{ kind: "discard_copy", position }]);
    expect(lab.asked("b", "install")).toEqual([]);
  });

  it("HA-16 a node that lost what it had committed is never promoted, and gets a copy", () => {
    const lab = new Lab(["a", "b"]);
    lab.boot("a", { terms: [1], epoch: 1, votedFor: "a", commit: 5 });
    lab.tick(100);
    expect(lab.view("a")).toMatchObject({ role: "standby", stage: "failed", state: "read_only" });
    lab.input("a", { kind: "promote", ticket: 1, force: true, othersStopped: true });
    expect(lab.answers("a")).toEqual(["refuse 1 CONFLICT"]);
  });
});

import { describe, expect, it } from "vitest";
import { encodeMembership } from "./membership.js";
import { at, inTerm, Lab, type LabNode, name } from "./testing.js";

const IDS = ["n1", "n2", "n3"];

/** Node n3 holds a membership without n2 that was never committed, and one entry after it. */
function follower(): { readonly lab: Lab; readonly node: LabNode } {
  const lab = new Lab(IDS);
  const node = lab.boot("n3", []);
  const voters = (node.state.configs[0]?.membership.voters ?? []).filter(({ id }) => id !== "n2");
  const payload = encodeMembership({ voters, outgoing: [], learners: [] });
  lab.message("n2", "n3", {
    kind: "append",
    term: inTerm(3),
    prevIndex: at(1),
    prevTerm: inTerm(1),
    entries: [
      { index: at(2), term: inTerm(3), kind: "config", payload },
      { index: at(3), term: inTerm(3), kind: "command", payload: new Uint8Array([3]) },
    ],
    commit: at(1),
  });
  expect(node.state.configs.map(({ index }) => index)).toEqual([1, 2]);
  return { lab, node };
}

/** A copy of that position arrives, whose membership is the founding one unless told. */
function receive(lab: Lab, node: LabNode, index: number, term: number, known = 0): void {
  const config = node.state.configs[known];
  if (config === undefined) throw new Error("a membership is known");
  const position = { index: at(index), term: inTerm(term) };
  const from = name("n1");
  node.effects = [];
  lab.input("n3", { kind: "snapshot_received", from, term: inTerm(5), position, config });
}

const installs = (node: LabNode) => node.effects.filter(({ kind }) => kind === "install");

function installed(lab: Lab, index: number, term: number): void {
  lab.input("n3", { kind: "installed", position: { index: at(index), term: inTerm(term) } });
}

const append = (lab: Lab, prevIndex: number, prevTerm: number) => {
  const index = at(prevIndex + 1);
  lab.message("n1", "n3", {
    kind: "append",
    term: inTerm(5),
    prevIndex: at(prevIndex),
    prevTerm: inTerm(prevTerm),
    entries: [{ index, term: inTerm(5), kind: "command", payload: new Uint8Array([9]) }],
    commit: index,
  });
};

describe("raft core: a copy of the state and the log that was there", () => {
  it("RA-21 a membership after the copy that was never committed is dropped with its tail (FC-058)", () => {
    const { lab, node } = follower();
    receive(lab, node, 9, 5);
    installed(lab, 9, 5);
    const [config, ...others] = node.state.configs;
    expect(others).toEqual([]);
    expect(config?.membership.voters.map(({ id }) => id)).toEqual(IDS);
  });

  it("RA-21 a tail of another term at the place of the copy does not stay (FC-061)", () => {
    const { lab, node } = follower();
    receive(lab, node, 2, 5);
    expect(installs(node)).toMatchObject([{ keepTail: false }]);
    installed(lab, 2, 5);
    expect(node.state.log).toEqual({ base: { index: 2, term: 5 }, runs: [], last: 2 });
    expect(node.state.configs.map(({ index }) => index)).toEqual([1]);
    append(lab, 2, 5);
    expect(node.state).toMatchObject({ lost: false, hard: { commit: 3 }, applied: 3 });
  });

  it("RA-21 a tail stays where the entry at the place of the copy has its term (FC-061)", () => {
    const { lab, node } = follower();
    receive(lab, node, 2, 3, 1);
    expect(installs(node)).toMatchObject([{ keepTail: true }]);
    installed(lab, 2, 3);
    expect(node.state.log).toEqual({
      base: { index: 2, term: 3 },
      runs: [{ first: 3, term: 3 }],
      last: 3,
    });
    append(lab, 3, 3);
    expect(node.state).toMatchObject({ lost: false, hard: { commit: 4 }, applied: 4 });
  });
});

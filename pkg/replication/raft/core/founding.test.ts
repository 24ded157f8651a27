import { describe, expect, it } from "vitest";
import { type NodeId, type Position, toLogIndex, toTerm } from "../../../base/index.js";
import type { Entry } from "../../ports/index.js";
import type { RaftInput } from "./effects.js";
import { decodeMembership } from "./membership.js";
import { DEFAULT_RAFT_LIMITS, DEFAULT_TICKS, type RaftOptions } from "./options.js";
import type { RaftState } from "./state.js";
import { createRaftCore } from "./step.js";

const id = (name: string) => name as NodeId;
const at = (index: number, term: number): Position => ({
  index: toLogIndex(index),
  term: toTerm(term),
});
const founder = (name: string) => ({ id: id(name), address: `${name}:7688` });

interface Disk {
  readonly term: number;
  readonly votedFor?: string;
  readonly epoch?: number;
  readonly commit?: number;
  readonly base: Position;
  readonly last: Position;
}

/** A founder that starts on that disk, and what it writes until it leads or time is up. */
function start(disk: Disk, over: Partial<RaftOptions> = {}) {
  const core = createRaftCore({
    id: id("n1"),
    disk: "disk-n1",
    seed: 1,
    bootstrap: true,
    founders: [founder("n1")],
    ticks: DEFAULT_TICKS,
    limits: DEFAULT_RAFT_LIMITS,
    ...over,
  });
  const { base, last } = disk;
  const written: Entry[] = [];
  const asked: string[] = [];
  const queued: RaftInput[] = [
    {
      kind: "recovered",
      hard: {
        term: toTerm(disk.term),
        votedFor: disk.votedFor === undefined ? null : id(disk.votedFor),
        commit: toLogIndex(disk.commit ?? base.index),
        epoch: disk.epoch ?? 0,
      },
      base,
      last,
      applied: base,
      terms:
        last.index === base.index
          ? []
          : [{ first: toLogIndex(base.index + 1), term: toTerm(last.term) }],
      configs: [],
    },
  ];
  let state: RaftState = core.initial;
  for (let ticks = 0; ticks < 3 * DEFAULT_TICKS.electionTicks; ) {
    const next = queued.shift();
    if (next === undefined) ticks += 1;
    const step = core.step(state, next ?? { kind: "tick" });
    core.assertInvariants(step.state);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "persist") {
        written.push(...effect.entries);
        queued.push({ kind: "persisted", seq: effect.seq, upTo: state.log.last });
      } else if (effect.kind === "apply") {
        queued.push({ kind: "applied", upTo: { index: effect.upTo, term: state.hard.term } });
      } else if (effect.kind === "send") asked.push(effect.to);
    }
  }
  return { state, written, asked: [...new Set(asked)] };
}

const NOTHING = at(0, 0);

describe("founding over entries that are there", () => {
  it("RA-32 a founder alone keeps its log, leads in a later term, and commits all of it (FC-161)", () => {
    const { state, written } = start({ term: 1, base: NOTHING, last: at(7, 1), commit: 4 });
    expect(written.map(({ index, term, kind }) => [index, term, kind])).toEqual([
      [8, 2, "config"],
      [9, 3, "noop"],
    ]);
    expect(decodeMembership((written[0] as Entry).payload)).toEqual({
      voters: [{ id: "n1", address: "n1:7688", disk: "disk-n1" }],
      outgoing: [],
      learners: [],
    });
    expect(state).toMatchObject({ role: "leader", applied: 9, hard: { commit: 9 } });
  });

  it("RA-32 a log whose beginning was cut is founded over, too", () => {
    const { state, written } = start({ term: 1, base: at(5, 1), last: at(7, 1) });
    expect(written[0]).toMatchObject({ index: 8, term: 2, kind: "config" });
    expect(state).toMatchObject({ role: "leader", hard: { commit: 9 } });
  });

  it("RA-32 what was a pair's primary founds over its log; the name in its epoch is no vote (FC-161)", () => {
    const pair = { term: 4, votedFor: "n1", epoch: 4, base: NOTHING, last: at(7, 4) };
    const { state, written } = start(pair);
    expect(written[0]).toMatchObject({ index: 8, term: 5, kind: "config" });
    expect(state).toMatchObject({ role: "leader", applied: 9, hard: { commit: 9, epoch: 4 } });
    const later = start({ ...pair, term: 6, votedFor: "n2" });
    expect([later.written, later.state.role]).toEqual([[], "follower"]);
  });

  it("RA-32 several founders found nothing over entries of one of them", () => {
    const founders = ["n1", "n2", "n3"].map(founder);
    const { state, written, asked } = start(
      { term: 1, base: NOTHING, last: at(7, 1) },
      { founders },
    );
    expect([written, asked, state.role]).toEqual([[], [], "follower"]);
  });

  it("RA-32 a node that has voted, or whose log lost what was committed, founds nothing", () => {
    const voted = start({ term: 4, votedFor: "n1", base: NOTHING, last: at(7, 1) });
    expect([voted.written, voted.state.role]).toEqual([[], "follower"]);
    const lost = start({ term: 1, commit: 9, base: NOTHING, last: at(7, 1) });
    expect([lost.written, lost.state.role]).toEqual([[], "follower"]);
  });

  it("RA-18 a directory in which nothing was ever written founds like a new one", () => {
    const founders = ["n1", "n2", "n3"].map(founder);
    const { written, asked } = start({ term: 1, base: NOTHING, last: NOTHING }, { founders });
    expect(written).toMatchObject([{ index: 1, term: 1, kind: "config" }]);
    expect(asked).toEqual(["n2", "n3"]);
  });
});

import { describe, expect, it } from "vitest";
import { type SeededRandom, seededRandom } from "../../../../test/support/index.js";
import type { RaftMessage } from "../messages.js";
import { at, ELECTION, inTerm, Lab, name } from "./testing.js";

function trio(terms: Record<string, readonly number[]> = {}): Lab {
  const lab = new Lab(["n1", "n2", "n3"]);
  for (const id of ["n1", "n2", "n3"]) lab.boot(id, terms[id] ?? []);
  return lab;
}

const ask = (over: Partial<Extract<RaftMessage, { kind: "vote_request" }>>): RaftMessage => ({
  kind: "vote_request",
  term: inTerm(5),
  forTerm: inTerm(5),
  preVote: false,
  transfer: false,
  lastIndex: at(9),
  lastTerm: inTerm(4),
  configIndex: at(1),
  ...over,
});

function verdict(lab: Lab, from: string, to: string, request: RaftMessage) {
  lab.letters = [];
  lab.message(from, to, request);
  const letter = lab.letters.find(({ body }) => body.kind === "vote_response");
  return letter?.body.kind === "vote_response" ? letter.body : undefined;
}

/** How often the most eager node asked for votes until one leads; letters take up to two ticks. */
function roundsUntilLed(count: number, random: SeededRandom): number {
  const ids = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const lab = new Lab(ids);
  for (const id of ids) {
    lab.boot(id, [], {}, { seed: random.below(2 ** 32) });
    lab.input(id, { kind: "tick" });
  }
  for (const node of lab.nodes.values()) node.state = { ...node.state, sinceLeader: ELECTION };
  const under: { readonly at: number; readonly run: () => void }[] = [];
  for (let now = 0; now < 100 * ELECTION; now += 1) {
    for (const id of ids) lab.input(id, { kind: "tick" });
    for (const due of under.filter(({ at }) => at === now)) due.run();
    for (const { from, to, body } of lab.letters.splice(0)) {
      under.push({ at: now + random.between(1, 2), run: () => lab.message(from, to, body) });
    }
    if (ids.some((id) => lab.node(id).state.role === "leader")) break;
  }
  expect(ids.some((id) => lab.node(id).state.role === "leader")).toBe(true);
  const asked = ids.map((id) => {
    const questions = lab
      .node(id)
      .effects.filter(
        (effect) =>
          effect.kind === "send" && effect.body.kind === "vote_request" && effect.body.preVote,
      );
    return questions.length / (count - 1);
  });
  return Math.max(...asked);
}

describe("raft core: elections", () => {
  it("RA-9 a quorum of votes makes a leader, whose term begins with an entry of its own", () => {
    const lab = trio();
    lab.elect("n1");
    const { role, hard, lead } = lab.node("n1").state;
    expect(role).toBe("leader");
    expect(lab.terms("n1").at(-1)).toBe(hard.term);
    expect(hard.commit).toBe(lead?.readyIndex);
  });

  it("RA-2 a vote leaves only after it is durable (FC-002)", () => {
    const lab = trio();
    const voter = lab.node("n2");
    voter.state = { ...voter.state, sinceLeader: ELECTION };
    voter.syncs = false;
    expect(verdict(lab, "n1", "n2", ask({}))).toBeUndefined();
    lab.sync("n2");
    expect(lab.letters.map(({ body }) => body)).toMatchObject([{ granted: true }]);
  });

  it("RA-2 a candidate asks nobody, and does not count itself, before its vote is durable", () => {
    const lab = new Lab(["n1"]);
    const node = lab.boot("n1", []);
    node.syncs = false;
    lab.elect("n1");
    expect(node.state.role).toBe("candidate");
    lab.sync("n1");
    expect(node.state.role).toBe("leader");
  });

  it.each([
    ["an older last term, though longer", { lastIndex: at(99), lastTerm: inTerm(2) }, "behind"],
    ["the same term, but shorter", { lastIndex: at(2), lastTerm: inTerm(3) }, "behind"],
    ["the same log", { lastIndex: at(3), lastTerm: inTerm(3) }, null],
    ["a newer term, though shorter", { lastIndex: at(2), lastTerm: inTerm(4) }, null],
  ])("RA-3 freshness: %s (FC-005)", (_, last, refusal) => {
    const lab = trio({ n2: [3, 3] });
    const voter = lab.node("n2");
    voter.state = { ...voter.state, sinceLeader: ELECTION };
    expect(verdict(lab, "n1", "n2", ask(last))?.refusal).toBe(refusal);
  });

  it("RA-4 one vote a term, also after following a leader of that term (FC-003)", () => {
    const lab = trio();
    const voter = lab.node("n2");
    voter.state = { ...voter.state, sinceLeader: ELECTION };
    expect(verdict(lab, "n1", "n2", ask({}))?.granted).toBe(true);
    expect(verdict(lab, "n3", "n2", ask({}))?.refusal).toBe("voted");
    expect(verdict(lab, "n1", "n2", ask({}))?.granted).toBe(true);
    expect(voter.state.hard.votedFor).toBe("n1");
  });

  it("RA-5 a node that comes back disturbs no leader and keeps its term (FC-020)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.isolate("n3");
    lab.tick(["n1", "n2", "n3"], 5 * ELECTION);
    const { term } = lab.node("n1").state.hard;
    expect(lab.node("n3").state.hard.term).toBe(term);
    lab.cut.clear();
    lab.tick(["n3"], 2 * ELECTION);
    lab.tick(["n1", "n2", "n3"], ELECTION);
    expect(lab.node("n1").state.role).toBe("leader");
    expect(lab.node("n3").state).toMatchObject({ leader: "n1", hard: { term } });
  });

  it("RA-5 a voter that heard a leader takes no new term from a candidate, unless the leader asked", () => {
    const lab = trio();
    lab.elect("n1");
    const { term } = lab.node("n2").state.hard;
    expect(verdict(lab, "n3", "n2", ask({ term: inTerm(9), forTerm: inTerm(9) }))).toBeUndefined();
    expect(lab.node("n2").state.hard.term).toBe(term);
    const asked = ask({ term: inTerm(9), forTerm: inTerm(9), transfer: true });
    expect(verdict(lab, "n3", "n2", asked)?.granted).toBe(true);
  });

  it("RA-5 a restarted voter is loyal to whom it may have heard", () => {
    const lab = trio({ n2: [1] });
    expect(verdict(lab, "n1", "n2", ask({ preVote: true }))?.refusal).toBe("loyal");
    lab.input("n2", { kind: "tick" });
    const state = { ...lab.node("n2").state, electionTimeout: 1_000 };
    lab.node("n2").state = state;
    for (let tick = 1; tick < ELECTION; tick += 1) lab.input("n2", { kind: "tick" });
    expect(verdict(lab, "n1", "n2", ask({ preVote: true }))?.granted).toBe(true);
  });

  it("RA-3 only a granted vote restarts the voter's timer (FC-022)", () => {
    const lab = trio({ n2: [3] });
    const voter = lab.node("n2");
    voter.state = {
      ...voter.state,
      sinceLeader: ELECTION,
      electionElapsed: 5,
      electionTimeout: 50,
    };
    verdict(lab, "n1", "n2", ask({ lastTerm: inTerm(1) }));
    expect(voter.state.electionElapsed).toBe(5);
    verdict(lab, "n3", "n2", ask({}));
    expect(voter.state.electionElapsed).toBe(0);
  });

  it.each([3, 5])(
    "RA-3 of %i nodes that all lose their leader at once, one leads within 5 rounds (FC-023)",
    (count) => {
      const random = seededRandom(`rounds of ${count}`);
      const rounds = Array.from({ length: 200 }, () => roundsUntilLed(count, random));
      const late = rounds.filter((one) => one > 5).length;
      expect(late).toBeLessThanOrEqual(rounds.length / 100);
    },
  );

  it("RA-3 a node waits anew for another time after each attempt (FC-023)", () => {
    const waits = (id: string) => {
      const lab = new Lab(["n1", "n2", "n3"]);
      const node = lab.boot(id, []);
      const seen: number[] = [];
      for (let attempt = 0; attempt < 20; attempt += 1) {
        seen.push(node.state.electionTimeout);
        lab.tick([id], node.state.electionTimeout - node.state.electionElapsed);
      }
      return seen;
    };
    expect(new Set(waits("n1")).size).toBeGreaterThan(2);
    expect(waits("n1")).not.toEqual(waits("n2"));
  });

  it("RA-10 grants of an older campaign do not elect (FC-010)", () => {
    const lab = trio();
    const node = lab.node("n1");
    lab.isolate("n1");
    node.state = {
      ...node.state,
      role: "candidate",
      hard: { ...node.state.hard, term: inTerm(7), votedFor: name("n1") },
    };
    const grant = { kind: "vote_response", preVote: false, granted: true, refusal: null } as const;
    const late = { ...grant, term: inTerm(6), forTerm: inTerm(6), disk: "n2-disk" };
    lab.message("n2", "n1", late);
    lab.message("n3", "n1", { ...late, disk: "n3-disk" });
    expect(node.state.role).toBe("candidate");
  });

  it("RA-18 votes from another disk do not count (FC-071)", () => {
    const lab = trio();
    lab.cut.add("n3>n1");
    lab.node("n2").state = { ...lab.node("n2").state, sinceLeader: ELECTION };
    const wiped = lab.start(lab.options("n2", { disk: "n2-other" }), []);
    expect(wiped.state.log.last).toBe(0);
    lab.elect("n1");
    expect(lab.node("n1").state.role).toBe("precandidate");
  });

  it("RA-23 a leader that hears no quorum steps down; what waited is unknown (FC-021)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.isolate("n1", "in");
    lab.propose("n1", 1);
    lab.tick(["n1"], ELECTION);
    expect(lab.node("n1").state.role).toBe("follower");
    expect(lab.answers("n1")).toMatchObject([
      { kind: "refuse", code: "COMMIT_UNKNOWN", tickets: [1] },
    ]);
  });

  it("RA-23 a leader whose disk stands still steps down (FC-024)", () => {
    const lab = trio();
    lab.elect("n1");
    lab.node("n1").syncs = false;
    lab.propose("n1", 1);
    lab.tick(["n1", "n2", "n3"], 20);
    expect(lab.node("n1").state.role).toBe("follower");
  });

  it("RA-18 founders that start in any order found one cluster (FC-033)", () => {
    const lab = new Lab(["n1", "n2", "n3"]);
    for (const id of ["n3", "n1", "n2"]) lab.start(lab.options(id, { bootstrap: true }), []);
    lab.tick(["n1", "n2", "n3"], 4 * ELECTION);
    const leaders = [...lab.nodes.values()].filter((node) => node.state.role === "leader");
    expect(leaders).toHaveLength(1);
    const disks = leaders[0]?.state.configs.at(-1)?.membership.voters.map((one) => one.disk);
    expect(disks).toEqual(["n1-disk", "n2-disk", "n3-disk"]);
  });

  it("RA-18 a wiped founder does not found again over an existing cluster", () => {
    const lab = trio({ n1: [2, 2], n3: [2, 2] });
    const wiped = lab.start(lab.options("n2", { bootstrap: true, disk: "n2-other" }), []);
    lab.tick(["n2"], 4 * ELECTION);
    expect(wiped.state.quiet).toBe(true);
    expect(wiped.state.hard.votedFor).toBeNull();
  });
});

import { describe, expect, it } from "vitest";
import { at, ELECTION, inTerm, Lab } from "./testing.js";

function led(): Lab {
  const lab = new Lab(["n1", "n2", "n3"]);
  for (const id of ["n1", "n2", "n3"]) lab.boot(id, []);
  lab.elect("n1");
  lab.tick(["n1", "n2", "n3"], 2);
  for (const id of ["n1", "n2", "n3"]) lab.answers(id);
  return lab;
}
const read = (lab: Lab, id: string, level: "LEADER" | "QUORUM") => {
  lab.input(id, { kind: "read", ticket: 9, level });
  return lab.answers(id);
};

describe("raft core: reads", () => {
  it("RA-15 a leader answers under its lease without asking anyone", () => {
    expect(read(led(), "n1", "LEADER")).toMatchObject([{ kind: "read_ready", ticket: 9 }]);
  });

  it("RA-15 the lease ends by itself, counted from when the question left (FC-074)", () => {
    const lab = led();
    lab.isolate("n1");
    lab.tick(["n1"], 6);
    expect(lab.node("n1").state.role).toBe("leader");
    expect(read(lab, "n1", "LEADER")).toEqual([]);
  });

  it("RA-15 a stall ends the lease, and late answers to older questions give none (FC-079, FC-179)", () => {
    const lab = led();
    lab.letters = [];
    lab.tick(["n1"]);
    lab.input("n1", { kind: "tick" });
    const late = lab.letters.map(({ to, body }) => ({ to, body }));
    lab.letters = [];
    lab.input("n1", { kind: "stalled" });
    for (const { to, body } of late) lab.message("n1", to, body);
    lab.deliver();
    expect(read(lab, "n1", "LEADER")).toEqual([]);
    lab.deliver();
    expect(lab.answers("n1")).toMatchObject([{ kind: "read_ready" }]);
  });

  it("RA-15 whoever asked a successor to campaign has no lease in that term", () => {
    const lab = led();
    lab.input("n1", { kind: "transfer", ticket: 1, target: null });
    expect(read(lab, "n1", "LEADER")).toEqual([]);
  });

  it("RA-14 a quorum read waits for a round that began after it, and shares the next (FC-078)", () => {
    const lab = led();
    expect(read(lab, "n1", "QUORUM")).toEqual([]);
    lab.input("n1", { kind: "read", ticket: 10, level: "QUORUM" });
    lab.input("n1", { kind: "read", ticket: 11, level: "QUORUM" });
    lab.deliver();
    expect(lab.answers("n1")).toMatchObject([{ ticket: 9 }, { ticket: 10 }, { ticket: 11 }]);
  });

  it("RA-14 a follower asks the leader", () => {
    const lab = led();
    expect(read(lab, "n2", "QUORUM")).toEqual([]);
    lab.deliver();
    expect(lab.answers("n2")).toMatchObject([{ kind: "read_ready", ticket: 9 }]);
  });

  it("RA-14 a question without an answer is an error, never an old value (FC-077)", () => {
    const lab = led();
    lab.isolate("n2");
    lab.node("n2").state = { ...lab.node("n2").state, electionTimeout: 2 * ELECTION };
    read(lab, "n2", "QUORUM");
    lab.tick(["n2"], ELECTION);
    expect(lab.answers("n2")).toMatchObject([{ kind: "refuse", code: "NO_QUORUM", tickets: [9] }]);
  });

  it("RA-13 a new leader serves nothing before its first commit (FC-019, FC-075)", () => {
    const lab = new Lab(["n1", "n2", "n3"]);
    for (const id of ["n1", "n2", "n3"]) lab.boot(id, []);
    lab.loses = "append";
    lab.elect("n1");
    const node = lab.node("n1");
    expect(node.state.role).toBe("leader");
    expect(node.core.view(node.state).isLeader).toBe(false);
    lab.propose("n1", 1);
    expect(lab.answers("n1")).toMatchObject([{ kind: "refuse", code: "NO_LEADER", tickets: [1] }]);
    expect(read(lab, "n1", "LEADER")).toEqual([]);
    lab.loses = null;
    lab.tick(["n1", "n2", "n3"], 12);
    expect(lab.answers("n1")).toMatchObject([{ kind: "read_ready", ticket: 9 }]);
  });

  it("RA-16 a confirmed read waits until this node has applied its index (FC-076)", () => {
    const lab = led();
    const node = lab.node("n2");
    const position = { index: at(0), term: inTerm(0) };
    lab.input("n2", { kind: "apply_refused", position });
    expect(read(lab, "n2", "QUORUM")).toEqual([]);
    lab.deliver();
    expect(lab.answers("n2")).toEqual([]);
    lab.input("n2", { kind: "apply_retry" });
    expect(lab.answers("n2")).toMatchObject([{ kind: "read_ready", index: node.state.applied }]);
  });

  it("RA-12 reads and changes that wait for a leadership end with it", () => {
    const lab = led();
    lab.isolate("n1");
    read(lab, "n1", "QUORUM");
    lab.message("n2", "n1", {
      kind: "heartbeat_response",
      term: inTerm(99),
      round: 0,
      at: 0,
      matchIndex: lab.node("n1").state.hard.commit,
      verified: lab.node("n1").state.hard.commit,
      intact: true,
      disk: "n2-disk",
    });
    expect(lab.answers("n1")).toMatchObject([{ kind: "refuse", code: "NOT_LEADER", tickets: [9] }]);
  });
});

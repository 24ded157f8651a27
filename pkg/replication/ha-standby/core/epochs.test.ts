import { describe, expect, it } from "vitest";
import type { HaMessage } from "../messages.js";
import { at, inEpoch, Lab, name } from "./testing.js";

const fence = (epoch: number, candidate: string): HaMessage => ({
  kind: "fence",
  epoch: inEpoch(epoch),
  candidate: name(candidate),
  reason: "test",
});

describe("epochs", () => {
  it("HA-1 an epoch is given to one node, and never falls", () => {
    const lab = new Lab(["a", "b", "c"]);
    lab.boot("a");
    lab.message("b", "a", fence(5, "b"));
    lab.message("c", "a", fence(5, "c"));
    lab.message("c", "a", fence(3, "c"));
    expect(lab.state("a").hard).toMatchObject({ term: 5, votedFor: "b", epoch: 5 });
    expect(lab.posted("fence_response").map(({ fenced }) => fenced)).toEqual([true, false, false]);
  });

  it("HA-1 without an arbiter every node takes only epochs of its own remainder", () => {
    const taken = ["a", "b", "c"].map((id) => {
      const lab = new Lab(["a", "b", "c"], { arbiter: "peer" });
      lab.boot(id, { terms: [7], votedFor: id });
      lab.input(id, { kind: "promote", ticket: 1, force: true, othersStopped: true });
      lab.until(() => lab.stage(id) === "promoted", `${id} leads`);
      return lab.state(id).hard.term;
    });
    expect(new Set(taken.map((epoch) => epoch % 3)).size).toBe(3);
    expect(Math.min(...taken)).toBeGreaterThan(7);
  });

  it("HA-1 a primary that learns of a newer epoch steps down at once", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.propose("a", 1);
    const { hard } = lab.state("a");
    lab.message("b", "a", {
      kind: "wal_ack",
      epoch: inEpoch(hard.term + 1),
      disk: "b-disk",
      aligned: true,
      received: at(2),
      durable: at(2),
      gapAt: null,
    });
    expect(lab.view("a")).toMatchObject({ role: "fenced", epoch: hard.term + 1, isLeader: false });
    expect(lab.answers("a")).toEqual(["refuse 1 COMMIT_UNKNOWN"]);
  });
});

describe("promises", () => {
  it("HA-2 a fence is answered only when its epoch is durable (FC-084)", () => {
    const lab = new Lab(["a", "b"]).found();
    lab.node("b").syncs = false;
    lab.message("a", "b", fence(9, "a"));
    expect(lab.posted("fence_response")).toEqual([]);
    lab.sync("b");
    expect(lab.posted("fence_response")).toMatchObject([{ forEpoch: 9, fenced: true }]);
    expect(lab.node("b").durable.hard.term).toBe(9);
  });

  it("HA-2 a candidate fences only with an epoch that it has durably taken", () => {
    const lab = new Lab(["a", "b"]).found();
    const before = lab.state("b").hard.term;
    lab.crash("a");
    lab.node("b").syncs = false;
    lab.until(() => lab.state("b").claim?.stage === "fencing", "b seeks an epoch");
    lab.letters = [];
    lab.tick(TICKS_OF_A_HEARTBEAT, ["b"]);
    expect(lab.posted("fence")).toEqual([]);
    lab.node("b").syncs = true;
    lab.sync("b");
    expect(lab.state("b").hard.term).toBeGreaterThan(before);
    expect(lab.node("b").durable.hard.term).toBe(lab.state("b").hard.term);
  });

  it("HA-2 a position in a new epoch is told only when the epoch is durable", () => {
    const lab = new Lab(["a", "b"]).found();
    const b = lab.crash("b");
    const reborn = lab.restart({ ...b, durable: { ...b.durable, hard: { ...b.hard } } });
    reborn.syncs = false;
    lab.message("a", "b", heartbeatOf(lab, 7));
    expect(lab.posted("heartbeat_response")).toEqual([]);
    lab.sync("b");
    expect(lab.posted("heartbeat_response")).toMatchObject([{ epoch: 7 }]);
  });
});

const TICKS_OF_A_HEARTBEAT = 2;

function heartbeatOf(lab: Lab, epoch: number): HaMessage {
  const { log, hard } = lab.state("a");
  return {
    kind: "heartbeat",
    epoch: inEpoch(epoch),
    at: 1,
    round: 1,
    last: { index: log.last, term: hard.term },
    commit: hard.commit,
    authority: true,
    inSync: false,
    disk: "b-disk",
    table: null,
  };
}

describe("words of an older epoch", () => {
  it("HA-3 are not followed, and answered with the newer epoch (FC-088)", () => {
    const lab = new Lab(["a", "b"], { syncMode: "sync" });
    lab.boot("b", { terms: [4, 4], votedFor: "a" });
    lab.boot("a", { terms: [3] });
    lab.message("a", "b", heartbeatOf(lab, 3));
    const entry = { index: at(3), term: inEpoch(3), kind: "command", payload: new Uint8Array(1) };
    const prev = { index: at(2), term: inEpoch(4) };
    const stale = { kind: "wal_batch", epoch: inEpoch(3), prev, commit: at(3) } as const;
    lab.message("a", "b", { ...stale, entries: [{ ...entry, kind: "command" }] });
    expect(lab.posted("heartbeat_response")).toMatchObject([{ epoch: 4, promise: false }]);
    expect(lab.posted("wal_ack")).toMatchObject([{ epoch: 4, aligned: false }]);
    expect(lab.state("b")).toMatchObject({ follow: null, hard: { commit: 0 } });
    expect(lab.terms("b")).toEqual([4, 4]);
  });

  it("HA-3 a fence at or below the own epoch changes nothing (FC-089)", () => {
    const lab = new Lab(["a", "b"]).found();
    const { hard } = lab.state("a");
    for (const epoch of [hard.term - 1, hard.term]) lab.message("b", "a", fence(epoch, "b"));
    expect(lab.posted("fence_response").map((one) => [one.fenced, one.epoch])).toEqual([
      [false, hard.term],
      [false, hard.term],
    ]);
    expect(lab.view("a")).toMatchObject({ role: "primary", isLeader: true });
  });
});

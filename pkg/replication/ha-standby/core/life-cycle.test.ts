import { describe, expect, it } from "vitest";
import type { HaMessage } from "../messages.js";
import type { HaInput } from "./effects.js";
import { STAGES, type Stage } from "./stage.js";
import { at, inEpoch, Lab, name, TICKS } from "./testing.js";

/** A pair whose node `b` is in that stage. */
const REACHED: Record<Stage, () => Lab> = {
  stopped: () => {
    const lab = new Lab(["a", "b"]).found();
    lab.input("b", { kind: "stop" });
    return lab;
  },
  connecting: () => {
    const lab = new Lab(["a", "b"]);
    lab.boot("b", { terms: [1], votedFor: "a" });
    return lab;
  },
  syncing: () => {
    const lab = new Lab(["a", "b"]);
    lab.arbiter.fate = (_, { op }) => (op === "record" ? "failed" : "answered");
    for (const id of lab.ids) lab.boot(id);
    lab.until(() => lab.state("b").aligned, "b follows");
    return lab;
  },
  streaming: () => new Lab(["a", "b"]).found(),
  full_sync: () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("b");
    const { applied, hard } = lab.state("a");
    lab.input("a", { kind: "compacted", base: { index: applied, term: hard.term } });
    lab.boot("b", {}, { disk: "b-new" }).works = false;
    lab.until(() => lab.state("b").rejoin !== null, "b needs a copy");
    return lab;
  },
  reconnecting: () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.tick(TICKS.contactTicks + 1);
    return lab;
  },
  promoting: () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.until(() => lab.state("b").claim !== null, "b seeks promotion");
    return lab;
  },
  promoted: () => {
    const lab = new Lab(["a", "b"]).found();
    lab.crash("a");
    lab.until(() => lab.view("b").isLeader, "b leads");
    return lab;
  },
  fenced: () => {
    const lab = REACHED.promoted();
    lab.input("b", fromA(fence(lab, 1)));
    return lab;
  },
  failed: () => {
    const lab = new Lab(["a", "b"]);
    lab.boot("b", { terms: [1], votedFor: "a", commit: 5 });
    return lab;
  },
};

const fromA = (body: HaMessage): HaInput => ({ kind: "message", from: name("a"), body });
const epochOf = (lab: Lab, step: number) => inEpoch(Math.max(0, lab.state("b").hard.term + step));

const fence = (lab: Lab, step: number): HaMessage => ({
  kind: "fence",
  epoch: epochOf(lab, step),
  candidate: name("a"),
  reason: "test",
});

const heartbeat = (lab: Lab, step: number): HaMessage => ({
  kind: "heartbeat",
  epoch: epochOf(lab, step),
  at: 1,
  round: 1,
  last: { index: lab.state("b").log.last, term: lab.state("b").hard.term },
  commit: lab.state("b").hard.commit,
  authority: true,
  inSync: false,
  disk: "b-disk",
  table: null,
});

const batch = (lab: Lab, step: number): HaMessage => ({
  kind: "wal_batch",
  epoch: epochOf(lab, step),
  prev: { index: lab.state("b").log.last, term: epochOf(lab, step) },
  entries: [],
  commit: at(0),
});

const order = (force: boolean): HaInput => ({
  kind: "promote",
  ticket: 1,
  force,
  othersStopped: force,
});

const position = { index: at(1), term: inEpoch(1) };

/** Everything that may happen to it. */
const EVENTS = {
  tick: () => ({ kind: "tick" }),
  "a stall of the loop": () => ({ kind: "stalled" }),
  "a heartbeat of a newer epoch": (lab) => fromA(heartbeat(lab, 1)),
  "a heartbeat that tells of another log": (lab) => {
    const base = { index: at(100), term: inEpoch(0) };
    return fromA({ ...heartbeat(lab, 1), table: { base, runs: [], last: at(100) } } as HaMessage);
  },
  "a heartbeat of an older epoch": (lab) => fromA(heartbeat(lab, -1)),
  "entries of a newer epoch": (lab) => fromA(batch(lab, 1)),
  "entries of an older epoch": (lab) => fromA(batch(lab, -1)),
  "a fence of a newer epoch": (lab) => fromA(fence(lab, 1)),
  "a fence of an older epoch": (lab) => fromA(fence(lab, -1)),
  "a standby's word of a newer epoch": (lab) =>
    fromA({
      kind: "wal_ack",
      epoch: epochOf(lab, 1),
      disk: "a-disk",
      aligned: false,
      received: at(0),
      durable: at(0),
      gapAt: null,
    }),
  "a question where it is": (lab) =>
    fromA({ kind: "position_query", epoch: epochOf(lab, 0), id: 1 }),
  "the old primary hands over": (lab) => {
    lab.arbiter.released = true;
    const last = { index: lab.state("b").log.last, term: lab.state("b").hard.term };
    return fromA({ kind: "promote", epoch: epochOf(lab, 0), last, reason: "switchover" });
  },
  "the primary's process is gone": () => ({ kind: "gone", peer: name("a") }),
  "the peer cannot be reached": () => ({ kind: "unreachable", peer: name("a") }),
  "an order to promote": () => order(false),
  "an order to promote with force": () => order(true),
  "an order to hand over": () => ({ kind: "switchover", ticket: 1, target: null }),
  "a copy that failed": (lab) => ({
    kind: "copy_failed",
    from: name("a"),
    epoch: epochOf(lab, 0),
  }),
  "a copy": (lab) => ({ kind: "copy_received", from: name("a"), epoch: epochOf(lab, 0), position }),
  "a late end of salvage": () => ({ kind: "salvaged", id: 9999 }),
  "a late answer of the arbiter": () => ({ kind: "arbiter", id: 9999, answer: null }),
  "the lease is free": (lab) => ({
    kind: "lease_seen",
    record: { ...lab.arbiter.record(), holder: name("a"), held: false },
  }),
  "a late report of the disk": () => ({ kind: "persisted", seq: 0, upTo: at(0) }),
  "a write": () => ({ kind: "propose", proposals: [{ ticket: 2, payload: new Uint8Array(1) }] }),
  "a read": () => ({ kind: "read", ticket: 3 }),
  "a disk that fills up": () => ({ kind: "disk", low: true }),
  "the word to stop": () => ({ kind: "stop" }),
} satisfies Record<string, (lab: Lab) => HaInput>;
type Event = keyof typeof EVENTS;

/** What follows in the order of `STAGES`; `-`: it stays. */
const NEXT: Record<Event, string> = {
  tick: "- - - - - - - - - -",
  "a stall of the loop": "- - - - - - - - - -",
  "a heartbeat of a newer epoch": "- syncing - syncing syncing syncing syncing syncing syncing -",
  "a heartbeat that tells of another log":
    "- full_sync - syncing - full_sync full_sync full_sync full_sync full_sync",
  "a heartbeat of an older epoch": "- - - - - - - - - -",
  "entries of a newer epoch": "- syncing - syncing syncing syncing syncing syncing syncing -",
  "entries of an older epoch": "- - - - - - - - - -",
  "a fence of a newer epoch": "- - reconnecting reconnecting - - reconnecting fenced - -",
  "a fence of an older epoch": "- - - - - - - - - -",
  "a standby's word of a newer epoch": "- - - - - - - fenced - -",
  "a question where it is": "- - - - - - - - - -",
  "the old primary hands over": "- - - promoted - promoted - - - -",
  "the primary's process is gone": "- - reconnecting reconnecting - - promoted - - -",
  "the peer cannot be reached": "- - - - - - - - - -",
  "an order to promote": "- promoting - - syncing - - - promoted -",
  "an order to promote with force": "- promoting - - syncing - - - promoted -",
  "an order to hand over": "- - - - - - - - - -",
  "a copy that failed": "- - - - syncing - - - - -",
  "a copy": "- - - - - - - - - -",
  "a late end of salvage": "- - - - - - - - - -",
  "a late answer of the arbiter": "- - - - - - - - - -",
  "the lease is free": "- - - - - - - - - -",
  "a late report of the disk": "- - - - - - - - - -",
  "a write": "- - - - - - - - - -",
  "a read": "- - - - - - - - - -",
  "a disk that fills up": "- - - - - - - - - -",
  "the word to stop": "- stopped stopped stopped stopped stopped stopped stopped stopped stopped",
};

const STAGE_AFTER = (event: Event, stage: Stage): string => {
  const next = NEXT[event].split(" ")[STAGES.indexOf(stage)] ?? "";
  return next === "-" ? stage : next;
};

describe("the life cycle of a standby, every event in every stage", () => {
  const cells = STAGES.flatMap((stage) =>
    (Object.keys(EVENTS) as Event[]).map((event) => [stage, event] as const),
  );

  it.each(cells)("HA-18 %s: %s", (stage, event) => {
    const lab = REACHED[stage]();
    expect(lab.stage("b")).toBe(stage);
    lab.input("b", (EVENTS[event] as (lab: Lab) => HaInput)(lab));
    expect(lab.stage("b")).toBe(STAGE_AFTER(event, stage));
  });
});

import { describe, expect, it } from "vitest";
import { VirtualTime } from "../../../test/support/index.js";
import type { LogIndex, NodeId, Term } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";
import type { HaInput } from "./core/effects.js";
import type { HaState } from "./core/state.js";
import { EntrySender } from "./entry-sender.js";
import type { WalBatch } from "./messages.js";
import type { SendEntries } from "./send-entries.js";

const to = "b" as NodeId;
const GATHER_MS = 5;
const BATCH_MAX = 10;

function open(gatherMs = GATHER_MS) {
  const time = new VirtualTime();
  const batches: WalBatch[] = [];
  const told: HaInput[] = [];
  const stream = { phase: "replicate", next: 1 };
  const lead = { switchover: null as object | null, peers: new Map([[to, { progress: stream }]]) };
  const state = {
    lead,
    waiting: [] as { wants: readonly (string | null)[] }[],
    owed: [],
    hard: { term: 1, commit: 0 },
    log: { last: 1 },
  };
  const log = {
    firstIndex: 1,
    read: (from: number, last: number) =>
      Array.from({ length: last - from + 1 }, (_, at) => ({
        index: from + at,
        payload: new Uint8Array(1),
      })),
  };
  const sender = new EntrySender({
    log: log as unknown as LogStore,
    timers: time,
    gatherMs,
    state: () => state as unknown as HaState,
    hasRoom: () => true,
    send: (_, batch) => void batches.push(batch),
    sent: (input) => void told.push(input),
    sentLater: (input) => void told.push(input),
  });
  const ask = () =>
    sender.take({
      kind: "send_entries",
      to,
      epoch: 1 as Term,
      prev: { index: (stream.next - 1) as LogIndex, term: 1 as Term },
      from: stream.next as LogIndex,
      upTo: state.log.last as LogIndex,
      bytesMax: 1_000,
      entriesMax: BATCH_MAX,
      commit: 0 as LogIndex,
    } satisfies SendEntries);
  const sent = () => batches.map(({ entries }) => entries.map(({ index }) => index));
  return { time, sender, state, lead, stream, ask, sent, told };
}

describe("HB-52 entries that nobody waits for", () => {
  it("gather, and leave together with what came meanwhile", async () => {
    const { time, state, ask, sent, told } = open();
    ask();
    expect(told).toEqual([]);
    state.log.last = 4;
    state.hard.commit = 3;
    await time.advance(GATHER_MS - 1);
    expect(sent()).toEqual([]);
    await time.advance(1);
    expect(sent()).toEqual([[1, 2, 3, 4]]);
    expect(told).toMatchObject([{ kind: "sent", upTo: 4 }]);
  });

  it.each([
    ["a batch is full", (lab) => Object.assign(lab.state.log, { last: BATCH_MAX + 1 })],
    ["a write waits for it", (lab) => lab.state.waiting.push({ wants: [null, "received"] })],
    ["the role is handed over", (lab) => Object.assign(lab.lead, { switchover: {} })],
    ["its place is searched", (lab) => Object.assign(lab.stream, { phase: "probe" })],
  ] satisfies [string, (lab: ReturnType<typeof open>) => unknown][])(
    "leave at once when %s",
    (_, change) => {
      const lab = open();
      change(lab);
      lab.ask();
      expect(lab.sent()).toHaveLength(1);
      expect(lab.told).toHaveLength(1);
    },
  );

  it("leave at once in the other modes", () => {
    const { ask, sent } = open(0);
    ask();
    expect(sent()).toEqual([[1]]);
  });

  it("leave when a write begins to wait for a standby's word, and once", async () => {
    const { time, sender, ask, sent, told } = open();
    ask();
    const write = { ticket: 1, payload: new Uint8Array() };
    sender.hurry([write, { ...write, durability: "local" }]);
    expect(sent()).toEqual([]);
    sender.hurry([{ ...write, durability: "persisted" }]);
    expect(sent()).toEqual([[1]]);
    await time.advance(2 * GATHER_MS);
    expect(sent()).toEqual([[1]]);
    expect(told).toHaveLength(1);
  });

  it("do not leave after the epoch, or from where the stream is no more", async () => {
    const later = open();
    later.ask();
    later.state.hard.term = 2;
    const elsewhere = open();
    elsewhere.ask();
    elsewhere.stream.next = 3;
    const closed = open();
    closed.ask();
    closed.sender.close();
    for (const { time, sent, told } of [later, elsewhere, closed]) {
      await time.advance(2 * GATHER_MS);
      expect(sent()).toEqual([]);
      expect(told).toEqual([]);
    }
  });

  it("that were cut off meanwhile are not sent, and the stream goes on", async () => {
    const { time, state, ask, sent, told } = open();
    ask();
    state.log.last = 0;
    await time.advance(GATHER_MS);
    expect(sent()).toEqual([]);
    expect(told).toMatchObject([{ kind: "sent", upTo: 0, bytes: 0 }]);
  });

  it("are sent once when the stream asks again before they left", async () => {
    const { time, stream, state, ask, sent } = open();
    state.log.last = 2;
    ask();
    stream.phase = "probe";
    ask();
    await time.advance(2 * GATHER_MS);
    expect(sent()).toEqual([[1, 2]]);
  });
});

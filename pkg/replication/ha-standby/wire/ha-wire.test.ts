import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NodeId, toLogIndex, toTerm } from "../../../base/index.js";
import { VECTORS } from "../../../transport/codec/vectors.js";
import { decodeEnvelope, encodeCommand, encodeFrame } from "../../../transport/index.js";
import { ReplicationError } from "../../errors.js";
import { type Entry, MessageType, type PeerMessage, type PeerPayload } from "../../ports/index.js";
import type { HaHeartbeat, HaMessage } from "../messages.js";
import { HA_WIRE_LIMITS, isHaType, isOwnMessage, toHaMessage, toPeerMessage } from "./index.js";

const ID = "n1" as NodeId;
const SENDER = { id: ID, role: "standby", wallMs: 1_767_193_757_123, heardLast: 10 };

function cross(message: PeerMessage): PeerMessage {
  const { type, payload } = decodeEnvelope(encodeFrame(message).subarray(4));
  return { type, payload: payload ?? null };
}
const roundTrip = (body: HaMessage) => toHaMessage(ID, cross(toPeerMessage(body, SENDER)));
const onWire = (body: HaMessage) => encodeFrame(toPeerMessage(body, SENDER)).toString("utf8", 4);

const index = fc.nat(2 ** 40).map(toLogIndex);
const epoch = fc.integer({ min: 1, max: 2 ** 40 }).map(toTerm);
const count = fc.maxSafeNat();
const flag = fc.boolean();
const disk = fc.stringMatching(/^[ -~]{0,128}$/);
const reason = fc.stringMatching(/^[ -~]{0,256}$/);
const place = fc.oneof(
  fc.constant({ index: toLogIndex(0), term: toTerm(0) }),
  fc.record({ index: fc.integer({ min: 1, max: 2 ** 40 }).map(toLogIndex), term: epoch }),
);
const command = fc
  .record({ type: fc.nat(255), data: fc.uint8Array({ maxLength: 40 }), id: fc.string() })
  .map(({ type, data, id }) =>
    encodeCommand({ type, data, timestamp: "2026-01-02T03:04:05.678Z", requestId: id }),
  );
const marker = fc.json().map((text) => new Uint8Array(Buffer.from(`{"of":${text}}`)));
const content = fc.oneof(
  command.map((payload) => ({ kind: "command" as const, payload })),
  fc.constant({ kind: "noop" as const, payload: new Uint8Array(0) }),
  marker
    .map((bytes) => JSON.stringify(JSON.parse(Buffer.from(bytes).toString())))
    .filter((text) => !text.includes("__proto__") && !/\d{16}|e[+-]?\d|\.\d|-0[,\]}]/.test(text))
    .map((text) => ({ kind: "marker" as const, payload: new Uint8Array(Buffer.from(text)) })),
);
const table = fc
  .tuple(place, fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(3)), { maxLength: 5 }))
  .map(([base, steps]) => {
    let { index: first, term }: { index: number; term: number } = base;
    const runs = steps.map(([by, up]) => {
      first += by;
      term += up;
      return { first: toLogIndex(first), term: toTerm(term) };
    });
    return { base, runs, last: toLogIndex(first + 3) };
  });

const batch = fc
  .tuple(place, fc.array(fc.tuple(content, fc.nat(1)), { minLength: 1, maxLength: 6 }), index)
  .map(([prev, contents, commit]): HaMessage => {
    let term = Math.max(prev.term, 1);
    const entries = contents.map(([one, step], at): Entry => {
      term += step;
      return { ...one, index: toLogIndex(prev.index + 1 + at), term: toTerm(term) };
    });
    return { kind: "wal_batch", epoch: toTerm(term), prev, entries, commit };
  });

const message: fc.Arbitrary<HaMessage> = fc.oneof(
  batch,
  fc.record({
    kind: fc.constant("heartbeat" as const),
    epoch,
    at: count,
    round: count,
    last: place,
    commit: index,
    authority: flag,
    inSync: flag,
    disk: fc.option(disk),
    table: fc.option(table),
  }),
  fc.record({
    kind: fc.constant("heartbeat_response" as const),
    epoch,
    at: count,
    round: count,
    disk,
    aligned: flag,
    received: index,
    durable: index,
    applied: index,
    promise: flag,
  }),
  fc.record({
    kind: fc.constant("wal_ack" as const),
    epoch,
    disk,
    aligned: flag,
    received: index,
    durable: index,
    gapAt: fc.option(index),
  }),
  fc.record({ kind: fc.constant("position_query" as const), epoch, id: count }),
  fc.record({
    kind: fc.constant("position_answer" as const),
    epoch,
    id: count,
    disk,
    last: place,
    primary: fc.constantFrom(null, "n2" as NodeId),
  }),
  fc.record({ kind: fc.constant("fence" as const), epoch, candidate: fc.constant(ID), reason }),
  fc.record({
    kind: fc.constant("fence_response" as const),
    epoch,
    forEpoch: epoch,
    fenced: flag,
    disk,
    last: place,
  }),
  fc.record({ kind: fc.constant("promote" as const), epoch, last: place, reason }),
  fc.record({
    kind: fc.constant("promote_response" as const),
    epoch,
    forEpoch: epoch,
    ready: flag,
    reason,
  }),
);

describe("messages of a pair", () => {
  it("HW-1 each comes back equal through a frame", () => {
    fc.assert(
      fc.property(message, (body) => {
        expect(plain(roundTrip(body))).toEqual(plain(body));
      }),
      { numRuns: 500 },
    );
  });

  function plain(body: HaMessage): unknown {
    if (body.kind !== "wal_batch") return body;
    const entries = body.entries.map((entry) => ({
      ...entry,
      payload: Buffer.from(entry.payload).toString(),
    }));
    return { ...body, entries };
  }

  it("HW-2 fields stand in NornicDB's order, and ours behind them", () => {
    const shapes: readonly [HaMessage["kind"], RegExp][] = [
      [
        "heartbeat",
        /^\{"t":7,"p":\{"NodeID":"n1","Role":"primary","WALPosition":\d+,"Timestamp":1767193757123000000,"x":/,
      ],
      [
        "heartbeat_response",
        /^\{"t":8,"p":\{"NodeID":"n1","Role":"standby","WALPosition":\d+,"Lag":\d+,"x":/,
      ],
      [
        "wal_batch",
        /^\{"t":5,"p":\[\{"Position":\d+,"Timestamp":1767193757123000000,"Term":\d+(,"Kind":"\w+")?,"x":\{.*\},"Command":/,
      ],
      ["wal_ack", /^\{"t":6,"p":\{"AckedPosition":\d+,"ReceivedPosition":\d+,"x":/],
      ["fence", /^\{"t":9,"p":\{"Reason":".*","RequestID":"fence-\d+-n1","x":/],
      ["fence_response", /^\{"t":10,"p":\{"Fenced":(true|false),"x":/],
      ["promote", /^\{"t":11,"p":\{"Reason":".*","x":/],
      ["promote_response", /^\{"t":12,"p":\{"Ready":(true|false),"x":/],
    ];
    const seen = new Set<string>();
    fc.assert(
      fc.property(message, (body) => {
        const shape = shapes.find(([kind]) => kind === body.kind)?.[1];
        if (shape === undefined) return;
        seen.add(body.kind);
        expect(onWire(body)).toMatch(shape);
      }),
      { numRuns: 300 },
    );
    expect(seen.size).toBe(shapes.length);
  });

  it("HW-3 whatever a field is replaced by, it is read or refused by name", () => {
    const junk = fc.constantFrom<PeerPayload>(null, -1, 0.5, "", "x", true, [], [1], {}, 2 ** 53);
    fc.assert(
      fc.property(message, junk, fc.nat(), (body, value, at) => {
        const given = cross(toPeerMessage(body, SENDER));
        const broken = { type: given.type, payload: replaced(given.payload, value, at) };
        try {
          toHaMessage(ID, broken);
        } catch (error) {
          expect(error).toBeInstanceOf(ReplicationError);
          expect((error as ReplicationError).code).toBe("INVALID");
        }
      }),
      { numRuns: 1_000 },
    );
  });

  function replaced(payload: PeerPayload, value: PeerPayload, at: number): PeerPayload {
    if (payload === null || typeof payload !== "object" || payload instanceof Uint8Array) {
      return value;
    }
    const keys = Object.keys(payload);
    if (keys.length === 0 || at % (keys.length + 1) === keys.length) return value;
    const key = keys[at % (keys.length + 1)] as string;
    const inner = (payload as { readonly [key: string]: PeerPayload })[key] ?? null;
    const next = at % 2 === 0 ? replaced(inner, value, Math.floor(at / 7)) : value;
    if (!Array.isArray(payload)) return { ...payload, [key]: next } as PeerPayload;
    return (payload as PeerPayload[]).map((item, i) => (i === Number(key) ? next : item));
  }

  it("HW-4 another sender's name is refused", () => {
    const query: HaMessage = { kind: "fence", epoch: toTerm(3), candidate: ID, reason: "r" };
    const given = cross(toPeerMessage(query, SENDER));
    expect(() => toHaMessage("n2" as NodeId, given)).toThrow(/candidate must be the sender/);
  });

  it("HW-5 a gap, a fallen term, a term above the epoch and a wrong start are refused (FC-093)", () => {
    const entry = (at: number, of: number): Entry => ({
      index: toLogIndex(at),
      term: toTerm(of),
      kind: "noop",
      payload: new Uint8Array(0),
    });
    const read = (entries: readonly Entry[]) =>
      roundTrip({
        kind: "wal_batch",
        epoch: toTerm(3),
        prev: { index: toLogIndex(4), term: toTerm(2) },
        entries,
        commit: toLogIndex(4),
      });
    expect(() => read([entry(5, 2), entry(7, 2)])).toThrow(/Position must be 6/);
    expect(() => read([entry(6, 2)])).toThrow(/Position must be 5/);
    expect(() => read([entry(5, 1)])).toThrow(/Term must be from 2 to 3/);
    expect(() => read([entry(5, 3), entry(6, 2)])).toThrow(/Term must be from 3 to 3/);
    expect(() => read([entry(5, 4)])).toThrow(/Term must be from 2 to 3/);
    expect(read([entry(5, 3)])).toMatchObject({ epoch: 3 });
  });

  it("HW-7 a long epoch table is told from its newer end", () => {
    const runs = Array.from({ length: HA_WIRE_LIMITS.runsMax + 10 }, (_, at) => ({
      first: toLogIndex(10 + 2 * at),
      term: toTerm(1 + at),
    }));
    const last = toLogIndex(100_000);
    const base = { index: toLogIndex(0), term: toTerm(0) };
    const body: HaHeartbeat = {
      kind: "heartbeat",
      epoch: toTerm(9_999),
      at: 1,
      round: 1,
      last: { index: last, term: toTerm(5_000) },
      commit: toLogIndex(1),
      authority: true,
      inSync: true,
      disk: null,
      table: { base, runs, last },
    };
    const read = (roundTrip(body) as HaHeartbeat).table;
    expect(read?.base).toEqual({ index: 10 + 2 * 10 - 1, term: 10 });
    expect(read?.runs).toEqual(runs.slice(10));
  });
});

describe("captured messages of NornicDB", () => {
  const captured = VECTORS.map(([name, hex]) => {
    const body = Buffer.from(hex as string, "hex").subarray(4);
    return { name, message: decodeEnvelope(body, "exact") };
  }).filter(({ message: { type } }) => type >= MessageType.walBatch && isHaType(type));

  it.each(captured)("HW-6 $name is not one of ours", ({ message: { type, payload } }) => {
    const given = { type, payload: payload ?? null };
    expect(isOwnMessage(given)).toBe(false);
    expect(() => toHaMessage(ID, given)).toThrow(ReplicationError);
  });

  it("HW-6 there is one of every code from 5 to 12", () => {
    const codes = new Set(captured.map(({ message: { type } }) => type));
    expect([...codes].sort((a, b) => a - b)).toEqual([5, 6, 7, 8, 9, 10, 11, 12]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NodeId, toLogIndex, toTerm } from "../../../base/index.js";
import { decodeEnvelope, encodeCommand, encodeFrame } from "../../../transport/index.js";
import { ReplicationError } from "../../errors.js";
import { type Entry, MessageType, type PeerMessage, type PeerPayload } from "../../ports/index.js";
import type { RaftMessage } from "../messages.js";
import { isRaftType, toPeerMessage, toRaftMessage, WIRE_LIMITS } from "./index.js";

const SELF = { id: "n1" as NodeId, address: "127.0.0.1:7688" };
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

function cross(message: PeerMessage): PeerMessage {
  const { type, payload } = decodeEnvelope(encodeFrame(message).subarray(4));
  return { type, payload: payload ?? null };
}

const roundTrip = (body: RaftMessage) => toRaftMessage(SELF.id, cross(toPeerMessage(body, SELF)));
const onWire = (body: RaftMessage) => encodeFrame(toPeerMessage(body, SELF)).toString("utf8", 4);

const index = fc.nat(2 ** 40).map(toLogIndex);
const term = fc.integer({ min: 1, max: 2 ** 40 }).map(toTerm);
const count = fc.maxSafeNat();
const disk = fc.stringMatching(/^[ -~]{0,128}$/);
const place = fc.oneof(
  fc.constant({ index: toLogIndex(0), term: toTerm(0) }),
  fc.record({ index: fc.integer({ min: 1, max: 2 ** 40 }).map(toLogIndex), term }),
);
const command = fc
  .record({ type: fc.nat(255), data: fc.uint8Array({ maxLength: 40 }), id: fc.string() })
  .map(({ type, data, id }) =>
    encodeCommand({ type, data, timestamp: "2026-01-02T03:04:05.678Z", requestId: id }),
  );
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, 0.5, 'a"}{\\\u2028é'),
    fc.maxSafeInteger(),
    fc.string(),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.stringMatching(/^[a-z"{}]{0,4}$/), tie("value"), { maxKeys: 3 }),
  ),
})).value;
const config = json.map((value) => new Uint8Array(Buffer.from(JSON.stringify({ value }))));
const content = fc.oneof(
  command.map((payload) => ({ kind: "command" as const, payload })),
  fc.constant({ kind: "noop" as const, payload: new Uint8Array(0) }),
  config.map((payload) => ({ kind: "config" as const, payload })),
  config.map((payload) => ({ kind: "marker" as const, payload })),
);

/** Entries after `prev` with terms that grow by 0 or 1. */
function entriesAfter(
  prev: { readonly index: number; readonly term: number },
  contents: readonly (readonly [Pick<Entry, "kind" | "payload">, number])[],
): Entry[] {
  let at = Math.max(prev.term, 1);
  return contents.map(([one, step], i) => {
    at += step;
    return { ...one, index: toLogIndex(prev.index + 1 + i), term: toTerm(at) };
  });
}

const append = fc
  .tuple(place, fc.array(fc.tuple(content, fc.nat(1)), { maxLength: 6 }), index)
  .map(([prev, contents, commit]): RaftMessage => {
    const entries = entriesAfter(prev, contents);
    const last = entries.at(-1)?.term ?? toTerm(prev.term + 1);
    return {
      kind: "append",
      term: last,
      prevIndex: prev.index,
      prevTerm: prev.term,
      entries,
      commit,
    };
  });

const refusal = fc.constantFrom(
  "behind" as const,
  "loyal" as const,
  "removed" as const,
  "founded" as const,
  "voted" as const,
  "stale" as const,
  "lost" as const,
);
const voteRequest = fc.tuple(term, term, fc.boolean(), fc.boolean(), place, index).map(
  ([now, forTerm, preVote, transfer, last, configIndex]): RaftMessage => ({
    kind: "vote_request",
    term: now,
    forTerm,
    preVote,
    transfer,
    lastIndex: last.index,
    lastTerm: last.term,
    configIndex,
  }),
);
const voteResponse = fc.tuple(term, term, fc.boolean(), fc.option(refusal), disk).map(
  ([now, forTerm, preVote, why, id]): RaftMessage => ({
    kind: "vote_response",
    term: now,
    forTerm,
    preVote,
    granted: why === null,
    refusal: why,
    disk: id,
  }),
);
const appendResponse = fc.oneof(
  fc.record({
    kind: fc.constant("append_response" as const),
    term,
    success: fc.constant(true as const),
    matchIndex: index,
    disk,
  }),
  fc.record({
    kind: fc.constant("append_response" as const),
    term,
    success: fc.constant(false as const),
    prevIndex: index,
    conflictIndex: index,
    conflictTerm: fc.option(term),
    disk,
  }),
);
const heartbeat = fc.tuple(place, index, count, count, fc.option(disk)).map(
  ([prev, commit, round, at, id]): RaftMessage => ({
    kind: "heartbeat",
    term: toTerm(prev.term + 1),
    prevIndex: prev.index,
    prevTerm: prev.term,
    commit,
    round,
    at,
    disk: id,
  }),
);
const rest = fc.oneof(
  fc.record({
    kind: fc.constant("heartbeat_response" as const),
    term,
    round: count,
    at: count,
    matchIndex: index,
    verified: index,
    intact: fc.boolean(),
    disk,
  }),
  fc.record({ kind: fc.constant("read_index" as const), term, id: count }),
  fc.record({
    kind: fc.constant("read_index_response" as const),
    term,
    id: count,
    index: fc.option(index),
  }),
  fc.record({ kind: fc.constant("timeout_now" as const), term }),
  fc.record({ kind: fc.constant("forget" as const), term, configIndex: index }),
);
const anyMessage: fc.Arbitrary<RaftMessage> = fc.oneof(
  append,
  voteRequest,
  voteResponse,
  appendResponse,
  heartbeat,
  rest,
);

/** Entries compare by the bytes of their payload, wherever those lie. */
function plain(body: RaftMessage): unknown {
  if (body.kind !== "append") return body;
  const entries = body.entries.map((entry) => ({ ...entry, payload: text(entry.payload) }));
  return { ...body, entries };
}

function refusedField(read: () => unknown): string | undefined {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ReplicationError);
    expect((error as ReplicationError).code).toBe("INVALID");
    const { field } = (error as ReplicationError).details;
    expect((error as ReplicationError).message).toContain(field);
    return field;
  }
  return undefined;
}

describe("raft messages in frames", () => {
  it("RW-1 RW-3 every message comes back equal, payloads byte for byte", () => {
    fc.assert(
      fc.property(anyMessage, (body) => {
        expect(plain(roundTrip(body))).toEqual(plain(body));
      }),
      { numRuns: 2_000 },
    );
  });

  it("RW-2 votes and appends are spelled as documented", () => {
    const at = { term: toTerm(3), prevIndex: toLogIndex(7), prevTerm: toTerm(2) };
    const vote: RaftMessage = {
      kind: "vote_request",
      term: toTerm(3),
      forTerm: toTerm(3),
      preVote: false,
      transfer: false,
      lastIndex: toLogIndex(7),
      lastTerm: toTerm(2),
      configIndex: toLogIndex(1),
    };
    expect(onWire(vote)).toBe(
      '{"t":1,"p":{"term":3,"candidate_id":"n1","last_log_index":7,"last_log_term":2,' +
        '"x":{"for":3,"transfer":false,"config":1}}}',
    );
    const entries = [
      { index: toLogIndex(8), term: toTerm(3), kind: "noop" as const, payload: new Uint8Array(0) },
      {
        index: toLogIndex(9),
        term: toTerm(3),
        kind: "command" as const,
        payload: Buffer.from(
          '{"Type":1,"Data":null,"Timestamp":"0001-01-01T00:00:00Z","RequestID":"r"}',
        ),
      },
    ];
    expect(onWire({ kind: "append", ...at, entries, commit: toLogIndex(7) })).toBe(
      '{"t":3,"p":{"term":3,"leader_id":"n1","leader_addr":"127.0.0.1:7688","prev_log_index":7,' +
        '"prev_log_term":2,"entries":[{"index":8,"term":3,"kind":"noop","command":null},' +
        `{"index":9,"term":3,"command":${text(entries[1]?.payload as Uint8Array)}}],"leader_commit":7}}`,
    );
    expect(
      onWire({ kind: "heartbeat", ...at, commit: toLogIndex(7), round: 4, at: 5, disk: null }),
    ).toBe(
      '{"t":3,"p":{"term":3,"leader_id":"n1","leader_addr":"127.0.0.1:7688","prev_log_index":7,' +
        '"prev_log_term":2,"entries":null,"leader_commit":7,"x":{"round":4,"at":5,"disk":null}}}',
    );
  });

  it("RW-2 a refused append says where the logs part", () => {
    const refused = { kind: "append_response", term: toTerm(4), success: false } as const;
    const where = { prevIndex: toLogIndex(9), conflictIndex: toLogIndex(6), disk: "d1" };
    expect(onWire({ ...refused, ...where, conflictTerm: toTerm(2) })).toBe(
      '{"t":4,"p":{"term":4,"success":false,"match_index":0,"conflict_index":6,"conflict_term":2,' +
        '"responder_id":"n1","x":{"disk":"d1","prev":9}}}',
    );
    expect(onWire({ ...refused, ...where, conflictTerm: null })).not.toContain("conflict_term");
  });
});

describe("what another node may send", () => {
  const read = (type: number, payload: PeerPayload) => toRaftMessage(SELF.id, { type, payload });
  const samples = () => fc.sample(anyMessage, { seed: 7, numRuns: 300 });

  it("RW-4 a message without one of its fields, or with one of another type, is refused by its name (FC-138)", () => {
    const optional = /^(conflict_index|conflict_term|leader_addr|entries|x)$/;
    for (const body of samples()) {
      const { type, payload } = toPeerMessage(body, SELF);
      for (const name of Object.keys(payload as object)) {
        if (optional.test(name)) continue;
        const { [name]: given, ...without } = payload as { [key: string]: PeerPayload };
        const unread = name === "match_index" && !("success" in without && without.success);
        if (unread && body.kind !== "heartbeat_response") continue;
        for (const wrong of [undefined, {}, [], "x y", -1, 1.5, 2 ** 53, new Uint8Array(1)]) {
          if (wrong === undefined && given === undefined) continue;
          const changed = { ...without, ...(wrong === undefined ? {} : { [name]: wrong }) };
          const field = refusedField(() => read(type, changed));
          expect(field, `${body.kind}.${name} = ${String(wrong)}`).toContain(`.${name}`);
        }
      }
    }
  });

  it("RW-4 our additions are checked the same way", () => {
    for (const body of samples()) {
      const { type, payload } = toPeerMessage(body, SELF);
      const { x } = payload as { x?: { [key: string]: PeerPayload } };
      if (x === undefined) continue;
      expect(refusedField(() => read(type, { ...(payload as object), x: 7 }))).toMatch(/\.x$/);
      for (const name of Object.keys(x)) {
        const changed = { ...(payload as object), x: { ...x, [name]: [1] } };
        expect(
          refusedField(() => read(type, changed)),
          name,
        ).toContain(`.x.${name}`);
      }
    }
  });

  it("RW-4 whatever the payload is, it is read or refused with INVALID, nothing else (FC-137)", () => {
    const types = Array.from({ length: 256 }, (_, type) => type).filter(isRaftType);
    expect(types).toEqual([1, 2, 3, 4, 26, 27, 38, 39, 40, 42]);
    const names = fc.constantFrom(
      "term",
      "candidate_id",
      "leader_id",
      "voter_id",
      "responder_id",
      "prev_log_index",
      "prev_log_term",
      "leader_commit",
      "entries",
      "index",
      "command",
      "kind",
      "x",
      "success",
      "match_index",
      "toString",
    );
    const leaf = fc.oneof(
      fc.constantFrom("n1", "noop", true, false, null, -1, 0.5, 2 ** 53, 1, 2, 3),
      fc.uint8Array({ maxLength: 3 }),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        leaf,
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(names, tie("tree"), { maxKeys: 9 }),
      ),
    }));
    fc.assert(
      fc.property(fc.constantFrom(...types), tree, (type, payload) => {
        refusedField(() => read(type, payload as PeerPayload));
      }),
      { numRuns: 3_000 },
    );
    expect(refusedField(() => read(MessageType.walBatch, null))).toBe("type");
  });

  it("RW-4 a vote that is given has no reason why not", () => {
    const x = { for: 4, refusal: "loyal", disk: "d" };
    const vote = { term: 4, vote_granted: true, voter_id: "n1", x };
    const field = refusedField(() => read(MessageType.voteResponse, vote));
    expect(field).toBe("vote_response.x.refusal");
  });

  it("RW-5 a message that names another sender is refused (FC-143)", () => {
    for (const body of samples()) {
      const message = toPeerMessage(body, SELF);
      if (!/append|heartbeat|vote/.test(body.kind)) continue;
      const field = refusedField(() => toRaftMessage("n2" as NodeId, message));
      expect(field).toMatch(/\.(candidate|voter|leader|responder)_id$/);
    }
  });

  const head = {
    term: 5,
    leader_id: "n1",
    leader_addr: "",
    prev_log_index: 3,
    prev_log_term: 2,
    leader_commit: 0,
  };
  const noop = (at: number, term: number) => ({ index: at, term, kind: "noop", command: null });
  const field = (entries: PeerPayload, more = {}) =>
    refusedField(() => read(MessageType.appendEntries, { ...head, ...more, entries }));

  it("RW-6 entries follow each other, and their terms rise up to the leader's", () => {
    expect(field([noop(4, 2), noop(5, 5)])).toBe(undefined);
    expect(field([noop(5, 2)])).toBe("append.entries[0].index");
    expect(field([noop(4, 2), noop(4, 2)])).toBe("append.entries[1].index");
    expect(field([noop(4, 1)])).toBe("append.entries[0].term");
    expect(field([noop(4, 6)])).toBe("append.entries[0].term");
    expect(field([noop(4, 3), noop(5, 2)])).toBe("append.entries[1].term");
    expect(field([noop(1, 0)], { prev_log_index: 0, prev_log_term: 0 })).toBe(
      "append.entries[0].term",
    );
    expect(field([], { prev_log_term: 6 })).toBe("append.prev_log_term");
    expect(field([], { prev_log_term: 0 })).toBe("append.prev_log_term");
    expect(field([], { prev_log_index: 0 })).toBe("append.prev_log_term");
    expect(field([noop(4, 2)], { x: { round: 1, at: 1, disk: null } })).toBe("append.entries");
  });

  it("RW-6 kinds that we do not know, and payloads that do not fit their kind, are refused", () => {
    const entry = (more: object) => [{ index: 4, term: 2, ...more }];
    expect(field(entry({ kind: "command", command: null }))).toBe("append.entries[0].kind");
    expect(field(entry({ kind: "else", command: null }))).toBe("append.entries[0].kind");
    expect(field(entry({ command: null }))).toBe("append.entries[0].command");
    expect(field(entry({ command: "{}" }))).toBe("append.entries[0].command");
    expect(field(entry({ kind: "config", command: null }))).toBe("append.entries[0].command");
    expect(field(entry({ kind: "noop", command: Buffer.from("{}") }))).toBe(
      "append.entries[0].command",
    );
    expect(field([null])).toBe("append.entries[0]");
  });

  it("RW-6 as many entries as the limit says are read, one more is refused", () => {
    const many = (n: number) => Array.from({ length: n }, (_, i) => noop(4 + i, 2));
    expect(field(many(WIRE_LIMITS.entriesMax))).toBe(undefined);
    expect(field(many(WIRE_LIMITS.entriesMax + 1))).toBe("append.entries");
  });

  it("RW-7 NornicDB's messages are read; their disk is unknown", () => {
    const vote = { term: 4, candidate_id: "n1", last_log_index: 9, last_log_term: 3 };
    expect(read(MessageType.voteRequest, vote)).toMatchObject({ forTerm: 4, configIndex: 0 });
    const granted = { term: 4, vote_granted: true, voter_id: "n1" };
    expect(read(MessageType.voteResponse, granted)).toMatchObject({ granted: true, disk: "" });
    expect(read(MessageType.appendEntries, { ...head, entries: null })).toMatchObject({
      kind: "append",
      entries: [],
    });
    const answer = { term: 4, success: false, match_index: 0, responder_id: "n1" };
    expect(
      read(MessageType.appendEntriesResponse, { ...answer, conflict_index: 3, conflict_term: 0 }),
    ).toMatchObject({ conflictIndex: 3, conflictTerm: null, disk: "" });
  });
});

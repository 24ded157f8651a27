import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_HEADER_BYTES, writeFrameHeader } from "../frame/frame-parser.js";
import { CodecError } from "./codec-error.js";
import { MessageType } from "./codes.js";
import { decodeCommand, encodeCommand } from "./command.js";
import { decodeEnvelope, type Envelope, encodeFrame } from "./envelope.js";
import type { AppendEntries, Heartbeat, WALBatch } from "./messages.js";
import { VECTORS } from "./vectors.js";

const json = (text: string) => Buffer.from(text);
const decode = (text: string) => decodeEnvelope(json(text));
const bodyOf = (message: Envelope) => encodeFrame(message).subarray(FRAME_HEADER_BYTES);
const HELD_BACK = /uint64_max|extremes|denied_with_node_id/;

function frameOf(message: Envelope): string {
  const frame = encodeFrame(message);
  writeFrameHeader(frame, frame.length - FRAME_HEADER_BYTES);
  return frame.toString("hex");
}

function refusal(text: string | Uint8Array): CodecError {
  try {
    decodeEnvelope(typeof text === "string" ? json(text) : text);
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return error as CodecError;
  }
  return expect.unreachable("the frame was accepted");
}

function command(size: number, type = 1) {
  return encodeCommand({
    type,
    data: new Uint8Array(size).fill(171),
    timestamp: "2025-12-31T16:09:17.123456789Z",
    requestId: "req-1",
  });
}

describe("codec against captured frames", () => {
  it.each(VECTORS)("TR-4 %s comes back to the same bytes", (_, hex) => {
    const body = Buffer.from(hex, "hex").subarray(FRAME_HEADER_BYTES);
    expect(frameOf(decodeEnvelope(body, "exact"))).toBe(hex);
  });

  it.each(VECTORS)(
    "TR-5 %s: unsafe integers are refused by name, else nothing differs (FC-138)",
    (name, hex) => {
      const body = Buffer.from(hex, "hex").subarray(FRAME_HEADER_BYTES);
      if (!HELD_BACK.test(name)) {
        expect(frameOf(decodeEnvelope(body))).toBe(hex);
        return;
      }
      const error = refusal(body);
      expect(error.code).toBe("UNSAFE_INTEGER");
      expect(error.message).toContain(error.field);
      expect(error.field).toMatch(/^[a-zA-Z]+\.[a-zA-Z_.]+$/);
    },
  );

  it("TR-4 there are 56 captured frames", () => expect(VECTORS).toHaveLength(56));

  it("TR-6 a captured frame spelled loosely gives the same message", () => {
    for (const [name, hex] of VECTORS) {
      const body = Buffer.from(hex, "hex").subarray(FRAME_HEADER_BYTES);
      const loose = Buffer.concat([json(" "), body.subarray(0, -1), json(' ,"zz":[1]}\n')]);
      expect(decodeEnvelope(loose, "exact"), name).toEqual(decodeEnvelope(body, "exact"));
    }
  });
});

describe("lenient reading of codes 1-18", () => {
  it("TR-6 keys match in any case, unknown ones are skipped, the last duplicate counts", () => {
    const text = '{"P":{"VOTER_ID":"a","zz":{"k":[]},"term":1,"Term":2,"voter_id":"b"},"T":2}';
    expect(decode(text)).toEqual({
      type: 2,
      payload: { term: 2, vote_granted: false, voter_id: "b" },
    });
  });

  it("TR-6 null and missing fields are zero, nil and empty lists stay apart", () => {
    expect(decode('{"t":1,"p":{"term":null}}').payload).toEqual({
      term: 0,
      candidate_id: "",
      last_log_index: 0,
      last_log_term: 0,
    });
    expect(decode('{"t":5,"p":null}').payload).toBe(null);
    expect(decode('{"t":5,"p":[]}').payload).toEqual([]);
    expect(decode("null")).toEqual({ type: 0 });
    expect(decode("{}")).toEqual({ type: 0 });
  });

  it("TR-6 invalid UTF-8 and lone surrogates become U+FFFD", () => {
    const body = Buffer.concat([
      json('{"t":11,"p":{"Reason":"a'),
      Buffer.of(0xff),
      json('b\\ud800"}}'),
    ]);
    expect(decodeEnvelope(body).payload).toEqual({ Reason: "a\ufffdb\ufffd" });
  });

  it("TR-6 data as numbers or with line breaks and a padded time become canonical", () => {
    const text =
      '{"t":5,"p":[{"Position":1,"Timestamp":2,"Command":{"RequestID":"r","Data":[1,2],' +
      '"Type":1,"Timestamp":"2025-01-02T03:04:05.1200Z"}}]}';
    const entry = (decode(text).payload as NonNullable<WALBatch>)[0];
    expect(Buffer.from(entry?.Command ?? []).toString()).toBe(
      '{"Type":1,"Data":"AQI=","Timestamp":"2025-01-02T03:04:05.12Z","RequestID":"r"}',
    );
  });

  it.each([
    ["an empty frame body", " "],
    ["a byte order mark", '\ufeff{"t":1}'],
    ["two objects", '{"t":1}{"t":1}'],
    ["an array", "[1]"],
    ["a node id that is no string", '{"t":1,"n":1}'],
    ["a type beyond a byte", '{"t":256}'],
    ["a negative type", '{"t":-1}'],
    ["a quoted term", '{"t":1,"p":{"term":"1"}}'],
    ["a negative term", '{"t":1,"p":{"term":-1}}'],
    ["entries that are an object", '{"t":3,"p":{"entries":{}}}'],
    ["data without padding", '{"t":5,"p":[{"Command":{"Data":"AQI"}}]}'],
    ["data in the URL alphabet", '{"t":5,"p":[{"Command":{"Data":"_-=="}}]}'],
    ["a time without offset", '{"t":5,"p":[{"Command":{"Timestamp":"2025-01-02T03:04:05"}}]}'],
    ["the 30th of February", '{"t":5,"p":[{"Command":{"Timestamp":"2025-02-30T03:04:05Z"}}]}'],
    ["a command type beyond a byte", '{"t":5,"p":[{"Command":{"Type":256}}]}'],
  ])("TR-7 %s is refused (FC-140)", (_, text) => {
    expect(["MALFORMED", "WRONG_SHAPE"]).toContain(refusal(text).code);
  });
});

describe("nanoseconds", () => {
  it("TR-8 every 64-bit timestamp survives both ways (FC-138)", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (ns) => {
        const heartbeat = { NodeID: "a", Role: "primary", WALPosition: 1, Timestamp: String(ns) };
        const body = bodyOf({ type: MessageType.heartbeat, payload: heartbeat });
        expect(body.includes(`"Timestamp":${ns}}`)).toBe(true);
        expect((decodeEnvelope(body).payload as Heartbeat).Timestamp).toBe(String(ns));
        const batch: WALBatch = [{ Position: 1, Timestamp: String(ns), Command: null }];
        const wal = bodyOf({ type: MessageType.walBatch, payload: batch });
        expect(decodeEnvelope(wal).payload).toEqual(batch);
      }),
    );
  });

  it("TR-8 a number beyond 64 bits is refused", () => {
    expect(refusal('{"t":7,"p":{"Timestamp":9223372036854775808}}').field).toBe(
      "heartbeat.Timestamp",
    );
  });
});

describe("commands as bytes", () => {
  it("TR-9 what was encoded once is what comes out, and is what encoding again would give", () => {
    const sizes = fc.array(fc.record({ bytes: fc.uint8Array({ maxLength: 60 }), id: fc.string() }));
    fc.assert(
      fc.property(sizes, (list) => {
        const commands = list.map(({ bytes, id }) =>
          encodeCommand({ type: 8, data: bytes, timestamp: "2025-01-02T03:04:05Z", requestId: id }),
        );
        const entries = commands.map((c, i) => ({ index: i + 1, term: 1, command: c }));
        const decoded = decodeEnvelope(bodyOf({ type: 3, id: 9, payload: message(entries) }));
        const got = (decoded.payload as AppendEntries).entries ?? [];
        expect(got.map((e) => Buffer.from(e?.command ?? []).toString())).toEqual(
          commands.map((c) => Buffer.from(c).toString()),
        );
        for (const c of commands)
          expect(Buffer.from(encodeCommand(decodeCommand(c)))).toEqual(Buffer.from(c));
      }),
    );
  });

  it("TR-9 entries of our own kinds and the extra field pass", () => {
    const entries = [
      { index: 1, term: 1, kind: "noop", command: null },
      { index: 2, term: 1, kind: "config", command: new Uint8Array(json('{"voters":["a"]}')) },
    ];
    const payload = { ...message(entries), x: { group: 0 } };
    const decoded = decodeEnvelope(bodyOf({ type: 3, payload })).payload;
    expect(decoded).toEqual(payload);
    const wal = [
      { Position: 1, Timestamp: "5", Term: 3, Kind: "noop", x: { epoch: 3 }, Command: null },
      { Position: 2, Timestamp: "5", Term: 3, Kind: "marker", Command: json('{"id":"m"}') },
      { Position: 3, Timestamp: "5", Term: 3, x: { of: ["}"] }, Command: command(3) },
    ];
    const body = bodyOf({ type: 5, payload: wal });
    const spaced = json(`${body.toString().slice(0, -1)} }`);
    for (const form of [body, spaced]) {
      expect(plain(decodeEnvelope(form).payload as WALBatch)).toEqual(plain(wal));
    }
  });

  it("TR-10 what cannot be encoded is refused by name, before anything is sent", () => {
    const bad = message([{ index: 2 ** 53, term: 1, command: null }]);
    expect(() => encodeFrame({ type: 3, payload: bad })).toThrow(/appendEntries.entries.index/);
    expect(() => encodeFrame({ type: 7, payload: { NodeID: "a" } })).toThrow(/heartbeat.Role/);
    expect(() => encodeFrame({ type: 300, payload: null })).toThrow(/0 to 255/);
  });

  function plain(batch: WALBatch): unknown {
    const text = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString();
    return batch?.map((entry) => ({ ...entry, Command: text(entry?.Command ?? null) }));
  }

  function message(entries: AppendEntries["entries"]) {
    return {
      term: 1,
      leader_id: "é<",
      leader_addr: "",
      prev_log_index: 0,
      prev_log_term: 0,
      entries,
      leader_commit: 0,
    };
  }
});

describe("hostile payloads of any code", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

  it.each([1, 3, 5, 13, 36])(
    "TR-11 100,000 levels are refused, type %i (FC-164, FC-189)",
    (type) => {
      expect(refusal(`{"t":${type},"p":${nested(100_000)}}`).code).toBe("TOO_DEEP");
      expect(refusal(nested(100_000)).code).toBe("TOO_DEEP");
      expect(refusal(`{"t":${type},"p":${'{"a":'.repeat(100_000)}`).code).toBe("TOO_DEEP");
    },
  );

  it("TR-12 __proto__ is refused however it is spelled; other keys are plain data (FC-175)", () => {
    for (const key of ["__proto__", "\\u005f_proto__"]) {
      expect(refusal(`{"t":36,"p":{"${key}":{"admin":true}}}`).code).toBe("FORBIDDEN_KEY");
      expect(refusal(`{"t":1,"p":{"${key}":{"admin":true}}}`).code).toBe("FORBIDDEN_KEY");
    }
    const { payload } = decode('{"t":36,"p":{"constructor":{"prototype":{"admin":true}}}}');
    expect(Object.getPrototypeOf(payload)).toBe(Object.prototype);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it("TR-5 an unsafe integer in a message of ours is refused with its path (FC-138)", () => {
    expect(refusal('{"t":36,"p":{"a":[{"b":9007199254740993}]}}').field).toBe("p.a[0].b");
    expect(refusal('{"t":36,"p":{"b":1e300}}').code).toBe("UNSAFE_INTEGER");
    expect(decode('{"t":36,"p":{"b":9007199254740991,"c":0.1234567890123456789}}').payload).toEqual(
      {
        b: 9007199254740991,
        c: 0.12345678901234568,
      },
    );
  });

  it("TR-13 any JSON of ours survives", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.nat(), (value, id) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes("__proto__") && !/\\ud[89a-f]|\d{16}|e\+|-0/.test(text));
        const plain = JSON.parse(text);
        const body = bodyOf({ type: MessageType.forward, id, payload: plain });
        expect(decodeEnvelope(body)).toEqual({ type: MessageType.forward, id, payload: plain });
      }),
    );
  });

  it("TR-14 flipped bytes are refused or give a whole message, never anything else (FC-140)", () => {
    const entries = [1, 2, 3].map((index) => ({ index, term: 1, command: command(30) }));
    const bodies = [
      ...VECTORS.map(([, hex]) => Buffer.from(hex, "hex").subarray(4)),
      bodyOf({
        type: 5,
        payload: entries.map((e) => ({ Position: e.index, Timestamp: "1", Command: e.command })),
      }),
    ];
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.constantFrom(...bodies), flips, (body, list) => {
        const bent = Buffer.from(body);
        for (const [at, mask] of list)
          bent[at % bent.length] = (bent[at % bent.length] as number) ^ mask;
        let decoded: Envelope;
        try {
          decoded = decodeEnvelope(bent);
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
          return;
        }
        expect(decodeEnvelope(bodyOf(decoded))).toEqual(decoded);
      }),
      { numRuns: 3000 },
    );
  });
});

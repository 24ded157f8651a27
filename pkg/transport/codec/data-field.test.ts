import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PeerPayload } from "../../replication/ports/index.js";
import { FRAME_HEADER_BYTES } from "../frame/frame-parser.js";
import { CodecError } from "./codec-error.js";
import { MessageType } from "./codes.js";
import { decodeEnvelope, encodeFrame } from "./envelope.js";

const type = MessageType.installSnapshot;
const bodyOf = (payload: PeerPayload) =>
  encodeFrame({ type, id: 3, payload }).subarray(FRAME_HEADER_BYTES);
const decode = (text: string) => decodeEnvelope(Buffer.from(text)).payload;

function refusal(text: string): string {
  try {
    decode(text);
  } catch (error) {
    expect(error).toBeInstanceOf(CodecError);
    return (error as CodecError).code;
  }
  return expect.unreachable("the frame was accepted");
}

/** Spelled as no encoder of ours does, so that the general parser reads it. */
const loosely = (body: Uint8Array) => Buffer.concat([Buffer.from(" "), body]);

describe("bytes in messages of ours", () => {
  it("TR-13 bytes come out as they went in, with the fields beside them, by both ways of reading", () => {
    const fields = fc.dictionary(
      fc.string().filter((key) => key !== "data" && key !== "__proto__"),
      fc.oneof(
        fc.string(),
        fc.nat(),
        fc.constantFrom(null, true, '"data":"', "\u2028\ud83d\ude00"),
      ),
    );
    fc.assert(
      fc.property(fields, fc.uint8Array({ maxLength: 200 }), (rest, bytes) => {
        const body = bodyOf({ ...rest, data: bytes });
        for (const spelling of [body, loosely(body)]) {
          const read = decodeEnvelope(spelling);
          const { data, ...others } = read.payload as { [key: string]: PeerPayload };
          expect(Buffer.from(data as Uint8Array).equals(bytes)).toBe(true);
          expect({ ...others }).toEqual({ ...rest });
          expect(read.id).toBe(3);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("TR-13 the frame is JSON, with the data as base64 in its last field", () => {
    expect(bodyOf({ data: Buffer.from("abcd"), n: 1 }).toString()).toBe(
      '{"t":28,"i":3,"p":{"n":1,"data":"YWJjZA=="}}',
    );
    expect(bodyOf({ data: new Uint8Array(0) }).toString()).toBe('{"t":28,"i":3,"p":{"data":""}}');
  });

  it("TR-13 messages of the same code without data are plain JSON", () => {
    for (const payload of [null, 7, [1], { n: "data" }, { n: { data: "YQ==" } }]) {
      expect(decodeEnvelope(bodyOf(payload)).payload).toEqual(payload);
    }
  });

  it("TR-14 data that is no base64 is refused by name, whatever else is in the frame", () => {
    for (const data of ['"a"', '"ab=c"', '"a\\u0062cd="', "7", "null", '"YQ=\\n="']) {
      expect(refusal(`{"t":28,"p":{"n":1,"data":${data}}}`), data).toBe("WRONG_SHAPE");
    }
    for (const text of [
      '{"t":28,"p":{"n":1,"data":"YWJj"}',
      '{"t":28,"p":{"n":[1,"data":"YWJj"}}',
      '{"t":28,"p":{"n","data":"YWJj"}}',
      '{"t":28,"p":{"n":1,"data":"YWJj""}}',
    ]) {
      expect(refusal(text), text).toBe("MALFORMED");
    }
    expect(refusal('{"t":28,"p":{"n":9007199254740993,"data":"YWJj"}}')).toBe("UNSAFE_INTEGER");
    expect(refusal('{"t":28,"p":{"__proto__":1,"data":"YWJj"}}')).toBe("FORBIDDEN_KEY");
  });

  it("TR-14 a damaged frame is refused or gives one whole message", () => {
    const body = bodyOf({ id: "a-b", index: 12, data: Buffer.from("some bytes") });
    for (let at = 0; at < body.length; at += 1) {
      for (const byte of [0x00, 0x22, 0x2c, 0x5c, 0x7d, 0x41]) {
        const changed = Buffer.from(body);
        changed[at] = byte;
        try {
          expect(decodeEnvelope(changed)).toHaveProperty("type");
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError);
        }
      }
    }
  });
});

describe("entries of our kinds", () => {
  const entry = (more: string) =>
    '{"t":3,"p":{"term":2,"leader_id":"a","leader_addr":"b","prev_log_index":0,"prev_log_term":0,' +
    `"entries":[{"index":1,"term":2,${more}}],"leader_commit":0,"x":{"round":1}}}`;
  const both = (text: string) => {
    const loose = decodeEnvelope(Buffer.from(text.replace('{"t":3,', '{"t": 3,')));
    expect(decodeEnvelope(Buffer.from(text))).toEqual(loose);
    return loose.payload as { entries: { kind?: string; command: Uint8Array | null }[]; x: object };
  };

  it("TR-9 both ways of reading give the same entry, extras included", () => {
    const config = '{"voters":[{"id":"n}\\"1"}],"n":{"m":[]}}';
    const read = both(entry(`"kind":"config","command":${config}`));
    expect(Buffer.from(read.entries[0]?.command as Uint8Array).toString()).toBe(config);
    expect(read.entries[0]?.kind).toBe("config");
    expect(read.x).toEqual({ round: 1 });
    expect(both(entry('"kind":"noop","command":null')).entries[0]?.command).toBe(null);
    expect(both(entry('"kind":"marker","command":[1]')).entries[0]?.kind).toBe("marker");
  });

  it("TR-5 TR-14 what is wrong inside them is refused by both ways", () => {
    const wrong: readonly (readonly [string, string])[] = [
      ['"kind":"config","command":{"n":9007199254740993}', "UNSAFE_INTEGER"],
      ['"kind":"config","command":{"__proto__":1}', "FORBIDDEN_KEY"],
      ['"kind":"config","command":{"n":1', "MALFORMED"],
      ['"kind":"config","command":{n:1}', "MALFORMED"],
      ['"kind":7,"command":null', "WRONG_SHAPE"],
    ];
    for (const [more, code] of wrong) {
      expect(refusal(entry(more)), more).toBe(code);
      expect(refusal(entry(more).replace('{"t":3,', '{"t": 3,')), more).toBe(code);
    }
  });
});

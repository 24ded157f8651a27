import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_BYTES_MAX, FrameError, FrameParser, writeFrameHeader } from "./frame-parser.js";

function frame(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + body.length);
  writeFrameHeader(bytes, body.length);
  bytes.set(body, 4);
  return bytes;
}

function parse(stream: Uint8Array, cuts: readonly number[]): string[] {
  const parser = new FrameParser();
  const seen: string[] = [];
  const ends = [...new Set(cuts.map((c) => c % (stream.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, stream.length]) {
    parser.push(stream.subarray(from, end), (body) => seen.push(Buffer.from(body).toString("hex")));
    from = end;
  }
  return seen;
}

describe("frame parser", () => {
  it("TR-1 frames come out the same however the bytes are cut (FC-131)", () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(), { maxLength: 40 }), (list, cuts) => {
        const stream = Buffer.concat(list.map(frame));
        expect(parse(stream, cuts)).toEqual(list.map((b) => Buffer.from(b).toString("hex")));
      }),
    );
  });

  it("TR-1 a stream fed a byte at a time gives the same frames (FC-131)", () => {
    const list = [Buffer.from("é中😀"), Buffer.from("b"), Buffer.alloc(70_000, 7)];
    const stream = Buffer.concat(list.map(frame));
    const every = Array.from({ length: stream.length }, (_, i) => i);
    expect(parse(stream, every)).toEqual(list.map((b) => b.toString("hex")));
  });

  it("TR-1 a character cut between chunks arrives whole (FC-133)", () => {
    const parser = new FrameParser();
    const stream = frame(Buffer.from('{"k":"😀"}'));
    const seen: string[] = [];
    for (const byte of stream) {
      parser.push(Uint8Array.of(byte), (body) => seen.push(Buffer.from(body).toString("utf8")));
    }
    expect(seen).toEqual(['{"k":"😀"}']);
  });

  it.each([
    ["0", 0, "FRAME_EMPTY"],
    ["64 MiB + 1", FRAME_BYTES_MAX + 1, "FRAME_TOO_LARGE"],
    ["0xFFFFFFFF", 0xffffffff, "FRAME_TOO_LARGE"],
  ] as const)(
    "TR-2 length %s is refused at the header, nothing allocated (FC-132)",
    (_, length, code) => {
      const parser = new FrameParser();
      const header = new Uint8Array(4);
      writeFrameHeader(header, length);
      let thrown: unknown;
      try {
        parser.push(header, () => expect.unreachable());
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(FrameError);
      expect((thrown as FrameError).code).toBe(code);
      expect(parser.heldBytes).toBe(0);
      parser.push(frame(Buffer.from("late")), () => expect.unreachable());
    },
  );

  it("TR-2 a body of exactly 64 MiB is accepted", () => {
    const parser = new FrameParser();
    const header = new Uint8Array(4);
    writeFrameHeader(header, FRAME_BYTES_MAX);
    const part = new Uint8Array(FRAME_BYTES_MAX / 8);
    let bytes = 0;
    parser.push(header, () => {});
    for (let i = 0; i < 8; i++) parser.push(part, (body) => (bytes = body.length));
    expect(bytes).toBe(FRAME_BYTES_MAX);
  });

  it("TR-3 memory follows the bytes that came, not the length promised (FC-132)", () => {
    const parser = new FrameParser();
    const header = new Uint8Array(4);
    writeFrameHeader(header, FRAME_BYTES_MAX);
    parser.push(header, () => {});
    parser.push(new Uint8Array(100_000), () => {});
    expect(parser.heldBytes).toBeLessThan(300_000);
  });

  it("TR-3 a stopped parser gives out nothing more of its chunk", () => {
    const parser = new FrameParser();
    const seen: number[] = [];
    parser.push(Buffer.concat([frame(Buffer.from("a")), frame(Buffer.from("b"))]), (body) => {
      seen.push(body[0] as number);
      parser.stop();
    });
    expect(seen).toEqual([97]);
  });
});

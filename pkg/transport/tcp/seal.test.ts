import { describe, expect, it } from "vitest";
import { derive, Seal, sameBytes, TAG_BYTES, transcriptOf } from "./seal.js";

const key = Buffer.alloc(32, 3);

function record(text: string): Buffer {
  return Buffer.concat([Buffer.from(text), Buffer.alloc(TAG_BYTES)]);
}

function sealed(seal: Seal, text: string): Buffer {
  const bytes = record(text);
  seal.close(bytes);
  return bytes;
}

const opened = (seal: Seal, bytes: Uint8Array) => {
  const text = seal.open(bytes);
  return text === undefined ? undefined : Buffer.from(text).toString();
};

describe("seal", () => {
  it("TR-35 records open in the order they were closed in, whatever their number", () => {
    const [near, far] = [new Seal(key), new Seal(key)];
    for (let n = 0; n < 300; n++)
      expect(opened(far, sealed(near, `record ${n}`))).toBe(`record ${n}`);
  });

  it("TR-35 a repeated, dropped or reordered record does not open (FC-174)", () => {
    const near = new Seal(key);
    const [first, second, third] = ["a", "b", "c"].map((text) => sealed(near, text));
    const repeated = new Seal(key);
    expect(opened(repeated, first as Buffer)).toBe("a");
    expect(opened(repeated, first as Buffer)).toBeUndefined();
    expect(opened(new Seal(key), second as Buffer)).toBeUndefined();
    const dropped = new Seal(key);
    expect(opened(dropped, first as Buffer)).toBe("a");
    expect(opened(dropped, third as Buffer)).toBeUndefined();
  });

  it("TR-35 every flipped bit and every shortened record is found (FC-140)", () => {
    const good = sealed(new Seal(key), "{}");
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bent = Buffer.from(good);
      bent[bit >> 3] = (bent[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(opened(new Seal(key), bent), `bit ${bit}`).toBeUndefined();
    }
    for (let end = 0; end < good.length; end++) {
      expect(opened(new Seal(key), good.subarray(0, end)), `${end} bytes`).toBeUndefined();
    }
  });

  it("TR-35 the other direction, connection or secret has another key: reflected records do not open (FC-174)", () => {
    const secret = Buffer.from("a secret of the whole cluster");
    const transcript = transcriptOf(Buffer.from("hello"), Buffer.from("reply"));
    const later = transcriptOf(Buffer.from("hello"), Buffer.from("another reply"));
    const keys = [
      derive(secret, "dial key", transcript),
      derive(secret, "accept key", transcript),
      derive(secret, "dial key", later),
      derive(Buffer.from("another secret of a cluster"), "dial key", transcript),
    ];
    expect(new Set(keys.map(String)).size).toBe(4);
    const bytes = sealed(new Seal(keys[0] as Buffer), "a");
    expect(keys.map((k) => opened(new Seal(k), bytes))).toEqual([
      "a",
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("TR-30 proofs of different lengths are compared without an exception", () => {
    expect(sameBytes(Buffer.from("a"), Buffer.from("ab"))).toBe(false);
    expect(sameBytes(Buffer.from("ab"), Buffer.from("ab"))).toBe(true);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRequestId, type RequestId } from "../base/index.js";
import { PayloadPacker, toTimestamp, unpackPayloads } from "./payload.js";

const decode = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString("utf8"));

describe("payload packer", () => {
  it("CL-3 a command is JSON as it travels in frames", () => {
    const packer = new PayloadPacker();
    packer.add(7, new Uint8Array([1, 2, 255]), "2026-01-02T03:04:05.678Z", "r-1" as RequestId);
    const [payload] = unpackPayloads(packer.take());
    expect(Buffer.from(payload as Uint8Array).toString()).toBe(
      '{"Type":7,"Data":"AQL/","Timestamp":"2026-01-02T03:04:05.678Z","RequestID":"r-1"}',
    );
  });

  it("CL-6 the durability that a write asks for travels beside its payload, once", () => {
    const packer = new PayloadPacker();
    const add = (durability?: "received") =>
      packer.add(7, new Uint8Array(), "t", "r" as RequestId, durability);
    add();
    add("received");
    add();
    expect(packer.take().wants).toEqual([[1, "received"]]);
    add();
    expect(packer.take()).not.toHaveProperty("wants");
  });

  it("CL-3 any data and any printable id survive, also in company", () => {
    const id = fc
      .string({ minLength: 1, maxLength: 40 })
      .filter((text) => parseRequestId(text) !== undefined) as fc.Arbitrary<RequestId>;
    const command = fc.tuple(
      fc.integer({ min: 0, max: 255 }),
      fc.uint8Array({ maxLength: 3000 }),
      id,
    );
    const packer = new PayloadPacker();
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        for (const [type, data, requestId] of commands) packer.add(type, data, "t", requestId);
        const payloads = unpackPayloads(packer.take()).map(decode);
        expect(payloads.map((payload) => payload.RequestID)).toEqual(commands.map(([, , r]) => r));
        expect(payloads.map((payload) => Buffer.from(payload.Data, "base64"))).toEqual(
          commands.map(([, data]) => Buffer.from(data)),
        );
      }),
    );
    expect(packer.count).toBe(0);
  });

  it("CL-3 timestamps are spelled as frames spell them, so that bytes stay the same on every node", () => {
    const from = Date.UTC(2026, 0, 2, 3, 4);
    const stamps = [0, 1, 20, 300, 10_000, 10_500].map((ms) => toTimestamp(from + ms).slice(17));
    expect(stamps).toEqual(["00Z", "00.001Z", "00.02Z", "00.3Z", "10Z", "10.5Z"]);
  });

  it("CL-3 what was taken is not overwritten by what comes next", () => {
    const packer = new PayloadPacker();
    packer.add(1, Buffer.from("first"), "t", "a" as RequestId);
    const first = packer.take();
    packer.add(1, Buffer.from("other"), "t", "b" as RequestId);
    packer.take();
    expect(decode(unpackPayloads(first)[0] as Uint8Array).RequestID).toBe("a");
  });
});

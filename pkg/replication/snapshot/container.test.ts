import { describe, expect, it } from "vitest";
import { toLogIndex, toTerm } from "../../base/index.js";
import { CHUNK_BYTES_MAX, decodeSnapshot, encodeSnapshot } from "./container.js";

const MANIFEST = {
  clusterId: "c",
  nodeId: "n1",
  position: { index: toLogIndex(7), term: toTerm(2) },
  createdAt: 1_700_000_000_000,
  storage: "sqlite",
};

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function join(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

const encode = (body: Uint8Array, size = 5) => join(encodeSnapshot(MANIFEST, pieces(body, size)));

async function decode(file: Uint8Array, size = 1): Promise<Buffer> {
  const { manifest, chunks } = await decodeSnapshot(pieces(file, size));
  expect(manifest).toEqual(MANIFEST);
  return join(chunks());
}

const invalid = (file: Uint8Array) =>
  expect(decode(file, 64)).rejects.toMatchObject({ code: "SNAPSHOT_INVALID" });

describe("snapshot container", () => {
  it("SN-1 gives back what went in, however it is cut into pieces", async () => {
    for (const text of ["", "a", "a body of some length"]) {
      const file = await encode(Buffer.from(text));
      for (const size of [1, 3, 1000]) expect((await decode(file, size)).toString()).toBe(text);
    }
  });

  it("SN-2 a file cut off at any byte is refused (FC-053, FC-127)", async () => {
    const file = await encode(Buffer.from("twelve bytes"));
    for (let bytes = 0; bytes < file.length; bytes += 1) await invalid(file.subarray(0, bytes));
  });

  it("SN-3 a file with any byte changed, or one more, is refused (FC-126)", async () => {
    const file = await encode(Buffer.from("twelve bytes"));
    for (let at = 0; at < file.length; at += 1) {
      const changed = Buffer.from(file);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x10, at);
      await invalid(changed);
    }
    await invalid(Buffer.concat([file, Buffer.from([0])]));
  });

  it("SN-4 a chunk is never longer than its limit, and a longer one is refused", async () => {
    const body = Buffer.alloc(CHUNK_BYTES_MAX * 2 + 1, 7);
    const file = await encode(body, body.length);
    expect((await decode(file, 65_536)).equals(body)).toBe(true);
    const first = file.length - 44 - (3 * 8 + body.length);
    file.writeUInt32BE(CHUNK_BYTES_MAX + 1, first);
    await invalid(file);
  });
});

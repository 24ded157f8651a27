import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { isSafeCount, type Position, toLogIndex, toTerm } from "../../base/index.js";
import { StateMachineError } from "../ports/index.js";

/*
 * header   "NORNSNAP", u32 version, u32 manifest bytes, manifest (JSON), u32 CRC32 of all before
 * chunk    u32 bytes (never 0), u32 CRC32 of the payload, payload
 * trailer  u32 0, u64 sum of payload bytes, SHA-256 of everything before it
 * All numbers are big-endian; nothing follows the trailer.
 */
const MAGIC = Buffer.from("NORNSNAP", "latin1");
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 8;
const MANIFEST_BYTES_MAX = 65_536;
const HASH_BYTES = 32;
/** Longest payload of one chunk; longer ones are split when written. */
export const CHUNK_BYTES_MAX = 1_048_576;

/** What a snapshot is of. */
export interface SnapshotManifest {
  readonly clusterId: string;
  readonly nodeId: string;
  readonly position: Position;
  /** Wall clock, milliseconds since 1970. */
  readonly createdAt: number;
  /** Name of the format of the body, such as `sqlite`. */
  readonly storage: string;
}

function damaged(what: string): StateMachineError {
  return new StateMachineError("SNAPSHOT_INVALID", `the snapshot is not usable: ${what}`);
}

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => {
    bytes.writeUInt32BE(value, at * 4);
  });
  return bytes;
}

/** Writes the copy as a container; buffers of `body` are passed on, not copied. */
export async function* encodeSnapshot(
  manifest: SnapshotManifest,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  const hashed = (bytes: Uint8Array) => {
    hash.update(bytes);
    return bytes;
  };
  const json = Buffer.from(JSON.stringify(manifest));
  if (json.length > MANIFEST_BYTES_MAX) throw damaged("its manifest is too long");
  const head = Buffer.concat([MAGIC, u32(VERSION, json.length), json]);
  yield hashed(Buffer.concat([head, u32(crc32(head))]));
  let bodyBytes = 0;
  for await (const part of body) {
    for (let at = 0; at < part.length; at += CHUNK_BYTES_MAX) {
      const chunk = part.subarray(at, at + CHUNK_BYTES_MAX);
      bodyBytes += chunk.length;
      yield hashed(u32(chunk.length, crc32(chunk)));
      yield hashed(chunk);
    }
  }
  const tail = Buffer.alloc(12);
  tail.writeBigUInt64BE(BigInt(bodyBytes), 4);
  yield Buffer.concat([tail, hash.update(tail).digest()]);
}

/** An opened container: its manifest is checked, its body not yet. */
export interface DecodedSnapshot {
  readonly manifest: SnapshotManifest;
  /**
   * The body, once. Ends normally only after the last byte was proven right; whatever was made of
   * it must be dropped when it throws.
   */
  chunks(): AsyncIterable<Uint8Array>;
}

/**
 * Reads a container.
 * @throws StateMachineError `SNAPSHOT_INVALID`, here or while the chunks are read, when anything is
 * missing, changed or left over
 */
export async function decodeSnapshot(source: AsyncIterable<Uint8Array>): Promise<DecodedSnapshot> {
  const reader = new ByteReader(source);
  const start = await reader.take(HEADER_BYTES, "its header");
  if (!start.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged("it is no snapshot file");
  const version = start.readUInt32BE(MAGIC.length);
  if (version !== VERSION) throw damaged(`format ${version} is unknown; this program reads 1`);
  const jsonBytes = start.readUInt32BE(MAGIC.length + 4);
  if (jsonBytes > MANIFEST_BYTES_MAX) throw damaged("its manifest is too long");
  const json = await reader.take(jsonBytes, "its manifest");
  const sum = await reader.take(4, "its manifest");
  if (sum.readUInt32BE(0) !== crc32(json, crc32(start))) throw damaged("its manifest was changed");
  const hash = createHash("sha256").update(start).update(json).update(sum);
  const manifest = parseManifest(json);
  return { manifest, chunks: () => readChunks(reader, hash) };
}

async function* readChunks(reader: ByteReader, hash: Hash): AsyncGenerator<Uint8Array> {
  let bodyBytes = 0;
  while (true) {
    const length = await reader.take(4, "its end");
    const chunkBytes = length.readUInt32BE(0);
    hash.update(length);
    if (chunkBytes === 0) break;
    if (chunkBytes > CHUNK_BYTES_MAX) throw damaged("a chunk is too long");
    const sum = await reader.take(4, "its end");
    const payload = await reader.take(chunkBytes, "its end");
    if (crc32(payload) !== sum.readUInt32BE(0)) {
      throw damaged(`a chunk was changed, at byte ${bodyBytes} of the body`);
    }
    hash.update(sum).update(payload);
    bodyBytes += chunkBytes;
    yield payload;
  }
  const total = await reader.take(8, "its end");
  const digest = hash.update(total).digest();
  if (total.readBigUInt64BE(0) !== BigInt(bodyBytes)) throw damaged("chunks are missing");
  const given = await reader.take(HASH_BYTES, "its end");
  if (!given.equals(digest)) throw damaged("its checksum differs");
  if (!(await reader.ended())) throw damaged("something follows its end");
}

function parseManifest(json: Buffer): SnapshotManifest {
  let value: unknown;
  try {
    value = JSON.parse(json.toString("utf8"));
  } catch {
    throw damaged("its manifest is not JSON");
  }
  const { clusterId, nodeId, position, createdAt, storage } = Object(value);
  const { index, term } = Object(position);
  const texts = [clusterId, nodeId, storage].every((text) => typeof text === "string");
  if (!texts || ![index, term, createdAt].every(isSafeCount)) {
    throw damaged("its manifest lacks a field");
  }
  const at = { index: toLogIndex(index), term: toTerm(term) };
  return { clusterId, nodeId, position: at, createdAt, storage };
}

/** Cuts a stream of any pieces into the lengths asked for. */
class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async take(bytes: number, what: string): Promise<Buffer> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < bytes) {
      const next = await this.#pieces.next();
      if (next.done) throw damaged(`it is cut off within ${what}`);
      const { buffer, byteOffset, byteLength } = next.value;
      parts.push(Buffer.from(buffer, byteOffset, byteLength));
      have += byteLength;
    }
    const all = parts.length === 1 ? this.#rest : Buffer.concat(parts);
    this.#rest = all.subarray(bytes);
    return all.subarray(0, bytes);
  }

  async ended(): Promise<boolean> {
    if (this.#rest.length > 0) return false;
    while (true) {
      const next = await this.#pieces.next();
      if (next.done) return true;
      if (next.value.length > 0) return false;
    }
  }
}

import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { invariant, type JsonValue, type NodeId, parseNodeId } from "../../base/index.js";
import type { File, FileSystem } from "../../runtime/index.js";
import { StateMachineError } from "../ports/index.js";
import { CONFIG_BYTES_MAX } from "./core/limits.js";
import { chunkCount, chunkLength, type SnapshotOffer } from "./core/messages.js";
import { offerFromJson, offerToJson } from "./wire.js";

/*
 * header   "NORNSTAG", u32 version, u32 JSON bytes, JSON {from, offer}, u32 CRC32 of all before
 * chunk    u32 CRC32, payload; its place and length follow from the offer
 * trailer  u32 CRC32, SHA-256 of all payloads; there only once the whole was proven
 * The CRC32 of chunks and trailer continue that of the header, so that bytes of an earlier
 * transfer, which a power cut may bring back, never pass. All numbers are big-endian.
 */
const MAGIC = Buffer.from("NORNSTAG", "latin1");
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 8;
const CRC_BYTES = 4;
const HASH_BYTES = 32;
/** Read back in pieces of about this many bytes: each is a message to the writer's thread. */
const PIECE_BYTES = 1024 * 1024;
const FACTS_BYTES_MAX = CONFIG_BYTES_MAX + 4096;

interface Header {
  readonly from: NodeId;
  readonly offer: SnapshotOffer;
  /** Its CRC32, which those of chunks and trailer continue. */
  readonly crc: number;
  readonly bytes: number;
}

/**
 * An incoming copy on disk, one chunk after the other. Writing goes to the page cache; `sync` makes
 * it durable, name and all. What is read back is checked again.
 */
export class StagedFile {
  readonly #fileSystem: FileSystem;
  readonly #file: File;
  readonly #header: Header;
  #chunks = 0;
  #sum = 0;
  #hash: Hash = createHash("sha256");
  #whole = false;
  #named = false;

  private constructor(fileSystem: FileSystem, file: File, header: Header) {
    this.#fileSystem = fileSystem;
    this.#file = file;
    this.#header = header;
  }

  /** Starts an empty one in place of whatever is at `path`. */
  static create(
    fileSystem: FileSystem,
    path: string,
    facts: { readonly from: NodeId; readonly offer: SnapshotOffer },
  ): StagedFile {
    if (fileSystem.exists(path)) fileSystem.remove(path);
    const bytes = encodeHeader(facts);
    const file = fileSystem.open(path, "create");
    const crc = crc32(bytes.subarray(0, -CRC_BYTES));
    const staged = new StagedFile(fileSystem, file, { ...facts, crc, bytes: bytes.length });
    try {
      file.write(bytes, 0);
    } catch (error) {
      file.close();
      throw error;
    }
    return staged;
  }

  /**
   * Opens what a process before this one left: its chunks up to the first that is missing or
   * damaged, and `whole` when the trailer proves them all. `pause` is awaited between chunks.
   * @returns undefined when there is none, or nothing usable of it
   */
  static async open(
    fileSystem: FileSystem,
    path: string,
    pause: () => Promise<void>,
  ): Promise<StagedFile | undefined> {
    if (!fileSystem.exists(path)) return undefined;
    const file = fileSystem.open(path, "write");
    try {
      const header = readHeader(file);
      if (header === undefined) {
        file.close();
        return undefined;
      }
      const staged = new StagedFile(fileSystem, file, header);
      await staged.#scan(pause);
      return staged;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get offer(): SnapshotOffer {
    return this.#header.offer;
  }

  get from(): NodeId {
    return this.#header.from;
  }

  /** Chunks written so far, from the first on. */
  get chunks(): number {
    return this.#chunks;
  }

  /** CRC32 of the content so far. */
  get sum(): number {
    return this.#sum;
  }

  /** The trailer is written: content and checksum were compared and are equal. */
  get whole(): boolean {
    return this.#whole;
  }

  /** Adds the next chunk. */
  write(bytes: Uint8Array): void {
    invariant(bytes.length === chunkLength(this.offer, this.#chunks), "a chunk has its length");
    this.#file.write(this.#sealed(bytes), this.#place(this.#chunks));
    this.#took(bytes);
  }

  /** What was written before this call survives a power cut on return. */
  async sync(): Promise<void> {
    await this.#file.sync();
    if (this.#named) return;
    await this.#fileSystem.syncDirectory(dirname(this.#file.path));
    this.#named = true;
  }

  /**
   * Compares the content with the checksum, and marks it as proven if they are equal.
   * @returns false, with nothing changed, when they differ
   */
  seal(sha256: string): boolean {
    invariant(this.#chunks === chunkCount(this.offer), "all chunks are there");
    const digest = this.#hash.copy().digest();
    if (digest.toString("hex") !== sha256) return false;
    this.#file.write(this.#sealed(digest), this.#place(this.#chunks));
    this.#whole = true;
    return true;
  }

  /**
   * The content, in chunks. Ends normally only after the last byte was compared with the checksum.
   * @throws StateMachineError `SNAPSHOT_INVALID` when the disk did not keep what was written
   */
  async *read(): AsyncGenerator<Uint8Array> {
    invariant(this.#whole, "only a proven copy is read");
    const hash = createHash("sha256");
    const pieceChunks = Math.max(1, Math.floor(PIECE_BYTES / this.offer.chunkBytes));
    for (let index = 0; index < this.#chunks; index += pieceChunks) {
      const piece = this.#piece(index, Math.min(index + pieceChunks, this.#chunks));
      hash.update(piece);
      yield piece;
    }
    const kept = this.#take(this.#place(this.#chunks), HASH_BYTES);
    if (kept === undefined || !kept.equals(hash.digest())) throw changed();
  }

  /** Idempotent; the file stays. */
  close(): void {
    this.#file.close();
  }

  async #scan(pause: () => Promise<void>): Promise<void> {
    const count = chunkCount(this.offer);
    while (this.#chunks < count) {
      const bytes = this.#take(this.#place(this.#chunks), chunkLength(this.offer, this.#chunks));
      if (bytes === undefined) return;
      this.#took(bytes);
      await pause();
    }
    const kept = this.#take(this.#place(count), HASH_BYTES);
    this.#whole = kept?.equals(this.#hash.copy().digest()) ?? false;
  }

  #took(bytes: Uint8Array): void {
    this.#chunks += 1;
    this.#sum = crc32(bytes, this.#sum);
    this.#hash.update(bytes);
  }

  #place(index: number): number {
    const whole = Math.min(index * this.offer.chunkBytes, this.offer.sizeBytes);
    return this.#header.bytes + index * CRC_BYTES + whole;
  }

  #sealed(bytes: Uint8Array): Buffer {
    const record = Buffer.allocUnsafe(CRC_BYTES + bytes.length);
    record.writeUInt32BE(crc32(bytes, this.#header.crc), 0);
    record.set(bytes, CRC_BYTES);
    return record;
  }

  /** The payloads of some chunks in a row. */
  #piece(from: number, to: number): Buffer {
    const parts: Buffer[] = [];
    for (let index = from; index < to; index += 1) {
      const bytes = this.#take(this.#place(index), chunkLength(this.offer, index));
      if (bytes === undefined) throw changed();
      parts.push(bytes);
    }
    return Buffer.concat(parts);
  }

  /** @returns undefined when the record is cut off or its CRC32 differs */
  #take(place: number, length: number): Buffer | undefined {
    const record = Buffer.allocUnsafe(CRC_BYTES + length);
    if (this.#file.read(record, place) < record.length) return undefined;
    const bytes = record.subarray(CRC_BYTES);
    return record.readUInt32BE(0) === crc32(bytes, this.#header.crc) ? bytes : undefined;
  }
}

function changed(): StateMachineError {
  return new StateMachineError("SNAPSHOT_INVALID", "the staged snapshot has changed on disk");
}

function encodeHeader(facts: { readonly from: NodeId; readonly offer: SnapshotOffer }): Buffer {
  const json = Buffer.from(JSON.stringify({ from: facts.from, offer: offerToJson(facts.offer) }));
  invariant(json.length <= FACTS_BYTES_MAX, "an offer fits the header");
  const header = Buffer.alloc(HEADER_BYTES + json.length + CRC_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(VERSION, MAGIC.length);
  header.writeUInt32BE(json.length, MAGIC.length + 4);
  json.copy(header, HEADER_BYTES);
  const end = HEADER_BYTES + json.length;
  header.writeUInt32BE(crc32(header.subarray(0, end)), end);
  return header;
}

function readHeader(file: File): Header | undefined {
  const start = Buffer.alloc(HEADER_BYTES);
  if (file.read(start, 0) < HEADER_BYTES) return undefined;
  const jsonBytes = start.readUInt32BE(MAGIC.length + 4);
  const known = start.subarray(0, MAGIC.length).equals(MAGIC);
  if (!known || start.readUInt32BE(MAGIC.length) !== VERSION || jsonBytes > FACTS_BYTES_MAX) {
    return undefined;
  }
  const rest = Buffer.alloc(jsonBytes + CRC_BYTES);
  if (file.read(rest, HEADER_BYTES) < rest.length) return undefined;
  const crc = crc32(rest.subarray(0, jsonBytes), crc32(start));
  if (rest.readUInt32BE(jsonBytes) !== crc) return undefined;
  const { from, offer } = JSON.parse(rest.toString("utf8", 0, jsonBytes)) as {
    from: string;
    offer: JsonValue;
  };
  const id = parseNodeId(from);
  invariant(id !== undefined, "a header that was written whole names a node");
  return { from: id, offer: offerFromJson(offer), crc, bytes: HEADER_BYTES + rest.length };
}

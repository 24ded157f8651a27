import { crc32 } from "node:zlib";
import { invariant, type NodeId, type Position, toLogIndex, toTerm } from "../../base/index.js";
import type { EntryKind, HardState } from "../../replication/ports/index.js";
import { LOG_LIMITS } from "./limits.js";

/** The layout is written down in DESIGN.md; all numbers are little-endian. */
export const FORMAT_VERSION = 1;
export const HEADER_BYTES = 256;
export const RECORD_BYTES = 32;

const MAGIC = Buffer.from("NORNWAL\n", "latin1");
const CLUSTER_ID_BYTES_MAX = 192;
/** Second to fourth byte of the type word; with it, zeros are never a record. */
const RECORD_MARK = 0x4c574e00;
const WORD = 0x1_0000_0000;

export const RECORD_TYPES = {
  command: 1,
  noop: 2,
  config: 3,
  marker: 4,
  hardState: 16,
  truncate: 17,
  seal: 18,
} as const;

const KINDS: readonly (EntryKind | undefined)[] = [
  undefined,
  "command",
  "noop",
  "config",
  "marker",
];

/** @returns the kind of entry this record type holds; undefined for the log's own records */
export function entryKind(type: number): EntryKind | undefined {
  return KINDS[type];
}

export function isKnownType(type: number): boolean {
  return (type >= 1 && type <= 4) || (type >= 16 && type <= 18);
}

export interface SegmentHeader {
  readonly version: number;
  readonly clusterId: string;
  readonly group: number;
  /** Counts segments from 1, without gaps. */
  readonly sequence: number;
  /** The entry before the first one of this segment. */
  readonly base: Position;
  /** Exact size of the segment before this one; 0 for none. */
  readonly previousBytes: number;
  /** Nothing before this segment counts any more. */
  readonly reset: boolean;
}

/** `SEQUENCE-FIRSTINDEX.log`, so that names sort in the order of writing. */
export function segmentName(sequence: number, firstIndex: number): string {
  return `${String(sequence).padStart(10, "0")}-${String(firstIndex).padStart(20, "0")}.log`;
}

const NAME = /^(\d{10})-(\d{20})\.log$/;

/** @returns undefined for names that are not of a segment */
export function parseSegmentName(
  name: string,
): { readonly sequence: number; readonly firstIndex: number } | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  return { sequence: Number(match[1]), firstIndex: Number(match[2]) };
}

function setCount(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, (value / WORD) >>> 0, true);
}

function getCount(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * WORD + view.getUint32(at, true);
}

export function encodeHeader(header: SegmentHeader, target: Uint8Array): void {
  const cluster = Buffer.from(header.clusterId, "utf8");
  invariant(cluster.length <= CLUSTER_ID_BYTES_MAX, "a cluster id has at most 192 bytes");
  const view = new DataView(target.buffer, target.byteOffset, HEADER_BYTES);
  target.fill(0, 0, HEADER_BYTES);
  target.set(MAGIC, 0);
  view.setUint32(8, header.version, true);
  view.setUint32(12, header.group, true);
  setCount(view, 16, header.sequence);
  setCount(view, 24, header.base.index);
  setCount(view, 32, header.base.term);
  view.setUint32(40, header.previousBytes, true);
  view.setUint8(44, header.reset ? 1 : 0);
  view.setUint8(45, cluster.length);
  target.set(cluster, 46);
  view.setUint32(252, crc32(target.subarray(0, 252)), true);
}

/**
 * Every later format keeps magic, version and checksum where they are, so that a newer header is
 * told from a damaged one.
 * @returns undefined when the bytes are not a whole, intact header
 */
export function decodeHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < HEADER_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (view.getUint32(252, true) !== crc32(bytes.subarray(0, 252))) return undefined;
  const length = Math.min(view.getUint8(45), CLUSTER_ID_BYTES_MAX);
  const index = getCount(view, 24);
  const term = getCount(view, 32);
  return {
    version: view.getUint32(8, true),
    group: view.getUint32(12, true),
    sequence: getCount(view, 16),
    base: { index: toLogIndex(index), term: toTerm(term) },
    previousBytes: view.getUint32(40, true),
    reset: view.getUint8(44) === 1,
    clusterId: Buffer.from(bytes.subarray(46, 46 + length)).toString("utf8"),
  };
}

/** Writes one record; `payload` may already lie in place. @returns the offset behind it */
export function encodeRecord(
  target: { readonly bytes: Uint8Array; readonly view: DataView },
  at: number,
  type: number,
  index: number,
  term: number,
  durableBytes: number,
  payload: Uint8Array,
): number {
  const { bytes, view } = target;
  const end = at + RECORD_BYTES + payload.length;
  view.setUint32(at + 4, payload.length, true);
  view.setUint32(at + 8, RECORD_MARK | type, true);
  view.setUint32(at + 12, durableBytes, true);
  setCount(view, at + 16, index);
  setCount(view, at + 24, term);
  bytes.set(payload, at + RECORD_BYTES);
  view.setUint32(at, crc32(bytes.subarray(at + 4, end)), true);
  return end;
}

/** What `decodeRecord` fills in; reused from record to record. */
export class RecordView {
  type = 0;
  index = 0;
  term = 0;
  /** Offset in this segment that was durable when the record was written; 0: not even its head. */
  durableBytes = 0;
  /** Offset in the file. */
  offset = 0;
  payload: Uint8Array = new Uint8Array(0);
}

export const DECODED = 0;
export const SHORT = -1;
export const BAD = -2;

/**
 * Decodes the record at `at`; only bytes below `end` are there.
 * @returns its size, `SHORT` when it would reach beyond `end`, or `BAD`
 */
export function decodeRecord(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  into: RecordView,
): number {
  if (at + RECORD_BYTES > end) return SHORT;
  const typeWord = view.getUint32(at + 8, true);
  if ((typeWord & 0xffffff00) !== RECORD_MARK) return BAD;
  const length = view.getUint32(at + 4, true);
  if (length > LOG_LIMITS.payloadBytesMax) return BAD;
  const recordEnd = at + RECORD_BYTES + length;
  if (recordEnd > end) return SHORT;
  if (crc32(bytes.subarray(at + 4, recordEnd)) !== view.getUint32(at, true)) return BAD;
  into.type = typeWord & 0xff;
  into.durableBytes = view.getUint32(at + 12, true);
  into.index = getCount(view, at + 16);
  into.term = getCount(view, at + 24);
  into.payload = bytes.subarray(at + RECORD_BYTES, recordEnd);
  return RECORD_BYTES + length;
}

/** The record's own index and term carry commit and term; the payload the rest. */
export function encodeHardState(state: HardState): Uint8Array {
  const vote = state.votedFor ?? "";
  const bytes = Buffer.alloc(8 + vote.length);
  setCount(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, state.epoch);
  bytes.write(vote, 8, "latin1");
  return bytes;
}

export function decodeHardState(record: RecordView): HardState {
  const { payload } = record;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const vote = Buffer.from(payload.subarray(8)).toString("latin1");
  return {
    term: toTerm(record.term),
    commit: toLogIndex(record.index),
    epoch: getCount(view, 0),
    votedFor: vote === "" ? null : (vote as NodeId),
  };
}

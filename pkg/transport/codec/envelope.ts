import type { JsonValue } from "../../base/index.js";
import type { PeerPayload } from "../../replication/ports/index.js";
import { FRAME_HEADER_BYTES, writeFrameHeader } from "../frame/frame-parser.js";
import { ascii, ByteCursor } from "./byte-cursor.js";
import { ByteWriter, quote } from "./byte-writer.js";
import { CodecError } from "./codec-error.js";
import { MessageType, messageName, NORNICDB_TYPE_MAX, TYPE_MAX } from "./codes.js";
import { dataOf, hasDataField, scanDataField, toDataField, writeDataField } from "./data-field.js";
import {
  entryBytes,
  scanAppendEntries,
  scanWALBatch,
  toAppendEntries,
  toWALBatch,
  writeAppendEntries,
  writeWALBatch,
} from "./entries.js";
import { type ExactValue, parseExact } from "./exact-json.js";
import { parseOpen, toSafeJson } from "./open-json.js";
import {
  foldKeys,
  fromSchema,
  hasSchema,
  type Integers,
  toCount,
  toText,
  writeSchema,
} from "./schema.js";

/** What a frame's body says. `payload` is missing when the frame has no `p`. */
export interface Envelope {
  readonly type: number;
  readonly nodeId?: string;
  /** Correlation id: an answer carries its request's. */
  readonly id?: number;
  readonly payload?: PeerPayload;
}

const TYPE = ascii('{"t":');
const NODE = ascii(',"n":');
const ID = ascii(',"i":');
const PAYLOAD = ascii(',"p":');
const WRITER_BYTES = 512;

interface Head {
  readonly type: number;
  readonly nodeId: string | undefined;
  readonly id: number | undefined;
  readonly payloadAt: number;
}

/**
 * Reads one frame body. Codes 1-18 are read as leniently as NornicDB reads them, and checked field
 * by field; other codes are plain JSON without unsafe integers.
 * @throws CodecError; nothing of the message may be used then
 */
export function decodeEnvelope(body: Uint8Array, integers: Integers = "safe"): Envelope {
  const head = scanHead(body);
  if (head !== undefined) {
    try {
      const payload = fastPayload(head.type, body, head.payloadAt, integers);
      if (payload !== undefined) return envelope(head.type, head.nodeId, head.id, payload);
    } catch (error) {
      if (!(error instanceof CodecError) || error.code !== "MALFORMED") throw error;
    }
  }
  return slowEnvelope(parseExact(body), integers);
}

function envelope(
  type: number,
  nodeId: string | undefined,
  id: number | undefined,
  payload: PeerPayload | undefined,
): Envelope {
  return {
    type,
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(id === undefined ? {} : { id }),
    ...(payload === undefined ? {} : { payload }),
  };
}

function scanHead(body: Uint8Array): Head | undefined {
  const cursor = new ByteCursor(body, 0, body.length);
  if (!cursor.literal(TYPE)) return undefined;
  const type = cursor.count();
  if (type < 0 || type > TYPE_MAX) return undefined;
  const nodeId = cursor.literal(NODE) ? cursor.plainText() : undefined;
  let id: number | undefined;
  if (cursor.literal(ID)) {
    id = cursor.count();
    if (id < 0) return undefined;
  }
  if (!cursor.literal(PAYLOAD) || body[body.length - 1] !== 0x7d) return undefined;
  return { type, nodeId, id, payloadAt: cursor.at };
}

function fastPayload(type: number, body: Uint8Array, from: number, integers: Integers) {
  const end = body.length - 1;
  if (type === MessageType.appendEntries) return scanAppendEntries(body, from, end);
  if (type === MessageType.walBatch) return scanWALBatch(body, from, end);
  const data = hasDataField(type) ? scanDataField(body, from, end) : undefined;
  if (data !== undefined) return data;
  const bytes = body.subarray(from, end);
  if (hasSchema(type)) return fromSchema(type, parseExact(bytes), integers);
  return type === 0 ? undefined : toOpen(type, parseOpen(bytes));
}

function slowEnvelope(value: ExactValue, integers: Integers): Envelope {
  if (value === null) return { type: 0 };
  const given = foldKeys(value, "the frame");
  const type = toCount(given.get("t"), "t", "safe");
  if (type > TYPE_MAX) throw new CodecError("WRONG_SHAPE", "t must be 0 to 255", "t");
  const node = toText(given.get("n"), "n");
  const id = given.has("i") ? toCount(given.get("i"), "i", "safe") : undefined;
  const payload = given.get("p");
  const read = payload === undefined ? undefined : slowPayload(type, payload, integers);
  return envelope(type, node === "" ? undefined : node, id, read);
}

function slowPayload(type: number, value: ExactValue, integers: Integers): PeerPayload {
  if (type === MessageType.appendEntries) return toAppendEntries(value, integers);
  if (type === MessageType.walBatch) return toWALBatch(value, integers);
  if (hasSchema(type)) return fromSchema(type, value, integers);
  return toOpen(type, toSafeJson(value, "p"));
}

function toOpen(type: number, value: JsonValue): PeerPayload {
  return hasDataField(type) ? toDataField(type, value) : value;
}

/**
 * One frame, with `room` bytes around it, so that what is added there needs no copy.
 * @throws CodecError `UNENCODABLE` naming the field
 */
export function encodeFrame(message: Envelope, room = { before: 0, after: 0 }): Buffer {
  const { type, payload } = message;
  if (!Number.isInteger(type) || type < 0 || type > TYPE_MAX) {
    throw new CodecError("UNENCODABLE", `a message type is 0 to ${TYPE_MAX}`, "t");
  }
  const writer = new ByteWriter(WRITER_BYTES + contentBytes(type, payload));
  writer.skip(room.before + FRAME_HEADER_BYTES);
  writer.text(`{"t":${type}`);
  if (message.nodeId !== undefined) writer.text(`,"n":${quote(message.nodeId)}`);
  if (message.id !== undefined) writer.text(`,"i":${message.id}`);
  if (payload !== undefined) {
    writer.text(',"p":');
    writePayload(writer, type, payload);
  }
  writer.text("}");
  const bodyBytes = writer.length - room.before - FRAME_HEADER_BYTES;
  writer.skip(room.after);
  const frame = writer.done();
  writeFrameHeader(frame.subarray(room.before), bodyBytes);
  return frame;
}

/** About as many bytes as the commands or the data of a message take in its frame. */
function contentBytes(type: number, payload: PeerPayload | undefined): number {
  if (!hasDataField(type)) return entryBytes(type, payload);
  return Math.ceil((dataOf(payload)?.length ?? 0) / 3) * 4;
}

function writePayload(writer: ByteWriter, type: number, payload: PeerPayload): void {
  if (type === MessageType.appendEntries) writeAppendEntries(writer, payload);
  else if (type === MessageType.walBatch) writeWALBatch(writer, payload);
  else if (hasSchema(type)) writeSchema(writer, type, payload);
  else {
    const data = hasDataField(type) ? dataOf(payload) : undefined;
    if (data !== undefined) {
      writeDataField(writer, payload, data);
      return;
    }
    const text = openText(type, payload as JsonValue);
    if (type <= NORNICDB_TYPE_MAX && /[<>&]/.test(text))
      writer.text(text.replace(/[<>&]/g, goEscape));
    else writer.text(text);
  }
}

function goEscape(character: string): string {
  return `\\u00${character.charCodeAt(0).toString(16)}`;
}

function openText(type: number, payload: JsonValue): string {
  const text = JSON.stringify(payload) as string | undefined;
  if (text !== undefined) return text;
  throw new CodecError("UNENCODABLE", `${messageName(type)} has a payload that is no JSON`, "p");
}

import type { JsonValue } from "../../base/index.js";
import type { PeerPayload } from "../../replication/ports/index.js";
import { ascii } from "./byte-cursor.js";
import type { ByteWriter } from "./byte-writer.js";
import { CodecError } from "./codec-error.js";
import { MessageType, messageName } from "./codes.js";
import { parseOpen } from "./open-json.js";

/*
 * A message that carries bytes has them in a last field, `data`: base64 on the wire, a Uint8Array in
 * memory. They are most of such a frame, so they go past the parser.
 */
const DATA = ascii(',"data":"');
const QUOTE = 0x22;
const CLOSE = 0x7d;

export function hasDataField(type: number): boolean {
  return (
    type === MessageType.installSnapshot ||
    type === MessageType.fullSync ||
    type === MessageType.forward
  );
}

/** @returns the bytes of the message's `data`, if it has any */
export function dataOf(payload: PeerPayload | undefined): Uint8Array | undefined {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload)) return undefined;
  const { data } = payload as { readonly data?: PeerPayload };
  return data instanceof Uint8Array ? data : undefined;
}

/** Writes the other fields, then the data. */
export function writeDataField(writer: ByteWriter, payload: PeerPayload, data: Uint8Array): void {
  const { data: _, ...rest } = payload as { readonly [key: string]: JsonValue };
  const text = JSON.stringify({ ...rest, data: "" });
  writer.text(text.slice(0, -2));
  writer.base64(data);
  writer.text('"}');
}

/** @returns undefined for anything but the canonical spelling */
export function scanDataField(bytes: Uint8Array, from: number, end: number) {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (body[end - 1] !== CLOSE || body[end - 2] !== QUOTE) return undefined;
  const open = body.lastIndexOf(QUOTE, end - 3);
  const field = open + 1 - DATA.length;
  if (field <= from || DATA.some((byte, i) => body[field + i] !== byte)) return undefined;
  const data = fromBase64(body.toString("latin1", open + 1, end - 2));
  if (data === undefined) return undefined;
  const head = Buffer.from(body.subarray(from, field + 1));
  head[head.length - 1] = CLOSE;
  return withData(parseOpen(head), data);
}

/** The payload as the general parser read it, its `data` turned into bytes. */
export function toDataField(type: number, value: JsonValue): PeerPayload {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const { data } = value as { readonly data?: JsonValue };
  if (data === undefined) return value;
  const bytes = typeof data === "string" ? fromBase64(data) : undefined;
  if (bytes !== undefined) return withData(value, bytes);
  const where = `${messageName(type)}.data`;
  throw new CodecError("WRONG_SHAPE", `${where} must be padded base64`, where);
}

function withData(value: JsonValue, data: Uint8Array): PeerPayload {
  return { ...(value as { readonly [key: string]: JsonValue }), data };
}

/** Node's decoder skips what it does not know, so what it skipped shows in the length. */
function fromBase64(text: string): Uint8Array | undefined {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = Buffer.from(text, "base64");
  const fits = text.length % 4 === 0 && bytes.length === (text.length / 4) * 3 - padding;
  return fits ? bytes : undefined;
}

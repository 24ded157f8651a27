import { ascii, type ByteCursor } from "./byte-cursor.js";
import { quote } from "./byte-writer.js";
import { CodecError } from "./codec-error.js";
import { type ExactValue, parseExact } from "./exact-json.js";
import { foldKeys, toCount, toText } from "./schema.js";
import { canonicalTime, isCanonicalTime, ZERO_TIME } from "./timestamp.js";

/** NornicDB's Command. `data` null and empty are different on the wire. */
export interface WireCommand {
  readonly type: number;
  readonly data: Uint8Array | null;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly requestId: string;
}

const TYPE = ascii('{"Type":');
const DATA = ascii(',"Data":');
const NULL = ascii("null");
const TIMESTAMP = ascii(',"Timestamp":"');
const REQUEST_ID = ascii(',"RequestID":"');
const BASE64_TEXT = /^[A-Za-z0-9+/]*={0,2}$/;

/** 0-63 for the standard alphabet, 64 else. */
const BASE64 = new Uint8Array(256).fill(64);
for (const [i, byte] of ascii(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
).entries()) {
  BASE64[byte] = i;
}

/** @throws CodecError `UNENCODABLE` */
export function encodeCommand(command: WireCommand): Uint8Array {
  if (!Number.isInteger(command.type) || command.type < 0 || command.type > 255) {
    throw new CodecError("UNENCODABLE", "Command.Type must be 0 to 255", "Command.Type");
  }
  const time = canonicalTime(command.timestamp);
  if (time === undefined) {
    throw new CodecError("UNENCODABLE", "Command.Timestamp must be RFC 3339", "Command.Timestamp");
  }
  const data = command.data === null ? "null" : `"${Buffer.from(command.data).toString("base64")}"`;
  const id = quote(command.requestId);
  return Buffer.from(
    `{"Type":${command.type},"Data":${data},"Timestamp":"${time}","RequestID":${id}}`,
  );
}

/** @throws CodecError naming the field */
export function decodeCommand(bytes: Uint8Array): WireCommand {
  return toCommand(parseExact(bytes));
}

/** The command's canonical bytes, from whatever spelling it came in. */
export function canonicalCommand(value: ExactValue): Uint8Array {
  return encodeCommand(toCommand(value));
}

function toCommand(value: ExactValue): WireCommand {
  const given = foldKeys(value, "Command");
  const type = toCount(given.get("type"), "Command.Type", "safe");
  if (type > 255)
    throw new CodecError("WRONG_SHAPE", "Command.Type must be 0 to 255", "Command.Type");
  const time = toText(given.get("timestamp") ?? ZERO_TIME, "Command.Timestamp");
  const timestamp = canonicalTime(time);
  if (timestamp === undefined) {
    throw new CodecError("WRONG_SHAPE", "Command.Timestamp must be RFC 3339", "Command.Timestamp");
  }
  const requestId = toText(given.get("requestid"), "Command.RequestID");
  return { type, data: toData(given.get("data")), timestamp, requestId };
}

function toData(value: ExactValue | undefined): Uint8Array | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") {
    const text = value.replace(/[\r\n]/g, "");
    if (text.length % 4 === 0 && BASE64_TEXT.test(text)) return Buffer.from(text, "base64");
  } else if (Array.isArray(value) && value.every(isByte)) return Uint8Array.from(value as number[]);
  throw new CodecError("WRONG_SHAPE", "Command.Data must be padded base64", "Command.Data");
}

function isByte(value: ExactValue): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

/**
 * Steps over a command that is valid and spelled canonically.
 * @returns false when it is not; the slow way then decides whether it is wrong or only unusual
 */
export function skipCanonicalCommand(cursor: ByteCursor): boolean {
  if (!cursor.literal(TYPE)) return false;
  const type = cursor.count();
  if (type < 0 || type > 255 || !cursor.literal(DATA)) return false;
  if (!cursor.literal(NULL) && !skipBase64(cursor)) return false;
  if (!cursor.literal(TIMESTAMP)) return false;
  const start = cursor.at;
  const close = cursor.plainString();
  if (close < 0 || !isCanonicalTime(cursor.bytes, start, close)) return false;
  if (!cursor.literal(REQUEST_ID) || cursor.plainString() < 0) return false;
  if (cursor.peek() !== 0x7d) return false;
  cursor.at += 1;
  return true;
}

function skipBase64(cursor: ByteCursor): boolean {
  if (cursor.peek() !== 0x22) return false;
  const { bytes, end } = cursor;
  const start = cursor.at + 1;
  let at = start;
  let last = 0;
  while (at < end) {
    const digit = BASE64[bytes[at] as number] as number;
    if (digit === 64) break;
    last = digit;
    at += 1;
  }
  let padding = 0;
  while (at < end && bytes[at] === 0x3d && padding < 2) {
    at += 1;
    padding += 1;
  }
  if (at >= end || bytes[at] !== 0x22 || (at - start) % 4 !== 0) return false;
  if (padding === 1 && (last & 3) !== 0) return false;
  if (padding === 2 && (last & 15) !== 0) return false;
  cursor.at = at + 1;
  return true;
}

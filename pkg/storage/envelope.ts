import { parseRequestId } from "../base/index.js";
import { ReplicationError } from "../replication/errors.js";
import { STORAGE_LIMITS } from "./limits.js";

/** An entry's payload, its data not looked into: what commands of every kind have in common. */
export interface Envelope {
  /** Empty: the command is not remembered. */
  readonly requestId: string;
  /** The leader's wall clock when it took the command, milliseconds; 0 when missing. */
  readonly timestampMs: number;
  /** Unchecked; `CommandType` of a command that makes sense. */
  readonly type: unknown;
  readonly data: Buffer;
  /** It cannot be understood, and must do nothing. */
  readonly refusal?: Refusal | undefined;
}

export interface Refusal {
  readonly code: ReplicationError["code"];
  readonly message: string;
}

export type Fields = { readonly [key: string]: unknown };

const NO_DATA = Buffer.alloc(0);

/** Never throws: what cannot be understood becomes a refusal, the same on every node. */
export function decodeEnvelope(payload: Uint8Array): Envelope {
  const envelope = parseObject(asText(payload));
  if (envelope === undefined) return refused("", 0, invalid("the entry is not a JSON object"));
  const stamp = typeof envelope.Timestamp === "string" ? Date.parse(envelope.Timestamp) : 0;
  const timestampMs = Number.isNaN(stamp) ? 0 : Math.max(stamp, 0);
  const named = envelope.RequestID ?? "";
  if (typeof named !== "string" || (named !== "" && parseRequestId(named) === undefined)) {
    return refused("", timestampMs, invalid("RequestID must be 1-128 printable characters"));
  }
  const data = decodeBase64(envelope.Data ?? "");
  if (data instanceof ReplicationError) return refused(named, timestampMs, data);
  return { requestId: named, timestampMs, type: envelope.Type, data };
}

/** @throws ReplicationError `INVALID` */
export function toObject(data: Buffer): Fields {
  const object = parseObject(asText(data));
  if (object === undefined) throw invalid("the command's data is not a JSON object");
  return object;
}

export function asText(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("utf8");
}

export function invalid(message: string): ReplicationError {
  return new ReplicationError("INVALID", message);
}

function decodeBase64(text: unknown): Buffer | ReplicationError {
  if (typeof text !== "string") return invalid("Data must be a base64 text");
  if (text.length > Math.ceil(STORAGE_LIMITS.commandBytesMax / 3) * 4) {
    return new ReplicationError("TOO_LARGE", "Data is larger than a command may be");
  }
  const data = Buffer.from(text, "base64");
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (text.length % 4 !== 0 || data.length !== (text.length / 4) * 3 - padding) {
    return invalid("Data must be padded base64");
  }
  return data;
}

function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function refused(requestId: string, timestampMs: number, problem: ReplicationError): Envelope {
  const refusal = { code: problem.code, message: problem.message };
  return { requestId, timestampMs, type: undefined, data: NO_DATA, refusal };
}

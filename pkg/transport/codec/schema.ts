import type { JsonValue } from "../../base/index.js";
import type { PeerPayload } from "../../replication/ports/index.js";
import { type ByteWriter, quote } from "./byte-writer.js";
import { CodecError } from "./codec-error.js";
import { MessageType, messageName } from "./codes.js";
import type { ExactValue } from "./exact-json.js";
import { toSafeJson } from "./open-json.js";

/** `safe`: whole numbers beyond 2^53 - 1 are refused. `exact`: they are `bigint`; for tools. */
export type Integers = "safe" | "exact";
type FieldKind = "count" | "integer" | "nanoseconds" | "text" | "flag";
interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly optional: boolean;
}

const U64_MAX = 2n ** 64n - 1n;
const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;
const DECIMAL = /^(0|-?[1-9][0-9]{0,18})$/;

/** One line a message: `?` marks a field that may be missing, in the order they are written. */
function fields(text: string): readonly Field[] {
  return text.split(" ").map((item) => {
    const [name = "", kind = ""] = item.split(":");
    const optional = name.endsWith("?");
    return { name: optional ? name.slice(0, -1) : name, kind: kind as FieldKind, optional };
  });
}

const SCHEMAS: ReadonlyMap<number, readonly Field[]> = new Map([
  [
    MessageType.voteRequest as number,
    fields("term:count candidate_id:text last_log_index:count last_log_term:count"),
  ],
  [MessageType.voteResponse, fields("term:count vote_granted:flag voter_id:text")],
  [
    MessageType.appendEntriesResponse,
    fields(
      "term:count success:flag match_index:count conflict_index?:count conflict_term?:count responder_id:text",
    ),
  ],
  [MessageType.walBatchResponse, fields("AckedPosition:count ReceivedPosition:count")],
  [MessageType.heartbeat, fields("NodeID:text Role:text WALPosition:count Timestamp:nanoseconds")],
  [MessageType.heartbeatResponse, fields("NodeID:text Role:text WALPosition:count Lag:integer")],
  [MessageType.fence, fields("Reason:text RequestID:text")],
  [MessageType.fenceResponse, fields("Fenced:flag")],
  [MessageType.promote, fields("Reason:text")],
  [MessageType.promoteResponse, fields("Ready:flag")],
]);

export function hasSchema(type: number): boolean {
  return SCHEMAS.has(type);
}

/** Reads the fields of an object as Go does: any case, any order, the last one counts. */
export function foldKeys(value: ExactValue, where: string): Map<string, ExactValue> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CodecError("WRONG_SHAPE", `${where} must be an object`, where);
  }
  const folded = new Map<string, ExactValue>();
  for (const key of Object.keys(value)) folded.set(key.toLowerCase(), value[key] as ExactValue);
  return folded;
}

export function toCount(value: ExactValue | undefined, where: string, integers: Integers): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  if (typeof value === "bigint" && value > 0n) {
    if (integers === "exact" && value <= U64_MAX) return value as unknown as number;
    const text = `${where} is beyond 2^53 - 1: ${value}`;
    throw new CodecError("UNSAFE_INTEGER", text, where);
  }
  throw new CodecError("WRONG_SHAPE", `${where} must be a whole number from 0`, where);
}

export function toNanoseconds(value: ExactValue | undefined, where: string): string {
  if (value === undefined || value === null) return "0";
  const fits =
    (typeof value === "number" && Number.isSafeInteger(value)) ||
    (typeof value === "bigint" && value >= I64_MIN && value <= I64_MAX);
  if (fits) return String(value);
  throw new CodecError("WRONG_SHAPE", `${where} must be a whole number of 64 bits`, where);
}

export function toText(value: ExactValue | undefined, where: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new CodecError("WRONG_SHAPE", `${where} must be a string`, where);
}

function toFlag(value: ExactValue | undefined, where: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw new CodecError("WRONG_SHAPE", `${where} must be true or false`, where);
}

function toInteger(value: ExactValue | undefined, where: string, integers: Integers): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  if (typeof value === "bigint" && value >= I64_MIN && value <= I64_MAX) {
    if (integers === "exact") return value as unknown as number;
    throw new CodecError("UNSAFE_INTEGER", `${where} is beyond 2^53 - 1: ${value}`, where);
  }
  throw new CodecError("WRONG_SHAPE", `${where} must be a whole number`, where);
}

function toField(
  kind: FieldKind,
  value: ExactValue | undefined,
  where: string,
  integers: Integers,
) {
  if (kind === "count") return toCount(value, where, integers);
  if (kind === "integer") return toInteger(value, where, integers);
  if (kind === "nanoseconds") return toNanoseconds(value, where);
  return kind === "text" ? toText(value, where) : toFlag(value, where);
}

/** @throws CodecError naming the message and the field */
export function fromSchema(type: number, value: ExactValue, integers: Integers): PeerPayload {
  if (value === null) return null;
  const name = messageName(type);
  const given = foldKeys(value, name);
  const message: { [key: string]: PeerPayload } = {};
  for (const field of SCHEMAS.get(type) ?? []) {
    const found = given.get(field.name.toLowerCase());
    if (field.optional && found === undefined) continue;
    message[field.name] = toField(field.kind, found, `${name}.${field.name}`, integers);
  }
  const extra = given.get("x");
  if (extra !== undefined) message.x = toSafeJson(extra, `${name}.x`);
  return message;
}

/** @throws CodecError `UNENCODABLE` naming the message and the field */
export function writeSchema(writer: ByteWriter, type: number, payload: PeerPayload): void {
  if (payload === null) {
    writer.text("null");
    return;
  }
  const name = messageName(type);
  if (typeof payload !== "object" || Array.isArray(payload) || payload instanceof Uint8Array) {
    throw new CodecError("UNENCODABLE", `${name} must be an object`, name);
  }
  const message = payload as { readonly [key: string]: PeerPayload | undefined };
  let before = "{";
  for (const field of SCHEMAS.get(type) ?? []) {
    const value = message[field.name];
    if (field.optional && value === undefined) continue;
    writer.text(`${before}"${field.name}":`);
    before = ",";
    if (field.kind === "text") writer.text(quote(checkText(value, `${name}.${field.name}`)));
    else writer.text(plainText(field.kind, value, `${name}.${field.name}`));
  }
  writeExtra(writer, message.x);
  writer.text("}");
}

export function writeExtra(writer: ByteWriter, extra: PeerPayload | undefined): void {
  if (extra !== undefined) writer.text(`,"x":${JSON.stringify(extra as JsonValue)}`);
}

function checkText(value: PeerPayload | undefined, where: string): string {
  if (typeof value === "string") return value;
  throw new CodecError("UNENCODABLE", `${where} must be a string`, where);
}

/** @returns the decimal digits of a count; a `bigint` that `exact` decoding gave is taken too */
export function countText(value: unknown, where: string): string {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return String(value);
  if (typeof value === "bigint" && value >= 0n && value <= U64_MAX) return String(value);
  throw new CodecError("UNENCODABLE", `${where} must be a safe whole number from 0`, where);
}

export function nanosecondsText(value: unknown, where: string): string {
  if (typeof value === "string" && DECIMAL.test(value)) {
    const number = value.length < 19 ? 0n : BigInt(value);
    if (number >= I64_MIN && number <= I64_MAX) return value;
  }
  throw new CodecError("UNENCODABLE", `${where} must be decimal digits of a 64-bit number`, where);
}

function plainText(kind: FieldKind, value: unknown, where: string): string {
  if (kind === "count") return countText(value, where);
  if (kind === "nanoseconds") return nanosecondsText(value, where);
  if (kind === "flag" && typeof value === "boolean") return String(value);
  if (kind === "integer" && (Number.isSafeInteger(value) || typeof value === "bigint")) {
    return String(value);
  }
  throw new CodecError("UNENCODABLE", `${where} has the wrong type`, where);
}

import type { JsonValue } from "../../base/index.js";
import type { PeerPayload } from "../../replication/ports/index.js";
import { ascii, ByteCursor } from "./byte-cursor.js";
import { type ByteWriter, quote } from "./byte-writer.js";
import { CodecError } from "./codec-error.js";
import { MessageType } from "./codes.js";
import { canonicalCommand, skipCanonicalCommand } from "./command.js";
import { type ExactValue, parseExact } from "./exact-json.js";
import type { AppendEntries, LogEntry, WALBatch, WALEntry } from "./messages.js";
import { toSafeJson } from "./open-json.js";
import {
  countText,
  foldKeys,
  type Integers,
  nanosecondsText,
  toCount,
  toNanoseconds,
  toText,
  writeExtra,
} from "./schema.js";

/** What stands around a command in a batch, seldom more. */
const ENTRY_FRAME_BYTES = 80;
const NULL = ascii("null");
const TERM = ascii('{"term":');
const LEADER_ID = ascii(',"leader_id":');
const LEADER_ADDR = ascii(',"leader_addr":');
const PREV_INDEX = ascii(',"prev_log_index":');
const PREV_TERM = ascii(',"prev_log_term":');
const ENTRIES = ascii(',"entries":');
const COMMIT = ascii(',"leader_commit":');
const INDEX = ascii('{"index":');
const ENTRY_TERM = ascii(',"term":');
const COMMAND = ascii(',"command":');
const KIND = ascii(',"kind":');
const OWN_COMMAND = "appendEntries.entries.command";
const WAL_OWN_COMMAND = "walBatch.Command";
const WAL_EXTRA = "walBatch.x";
const EXTRA = ascii(',"x":');
const POSITION = ascii('{"Position":');
const TIMESTAMP = ascii(',"Timestamp":');
const WAL_TERM = ascii(',"Term":');
const WAL_KIND = ascii(',"Kind":');
const WAL_COMMAND = ascii(',"Command":');

/** @returns undefined for anything but the canonical spelling */
export function scanAppendEntries(
  bytes: Uint8Array,
  from: number,
  end: number,
): AppendEntries | undefined {
  const cursor = new ByteCursor(bytes, from, end);
  if (!cursor.literal(TERM)) return undefined;
  const term = cursor.count();
  const leader_id = cursor.literal(LEADER_ID) ? cursor.plainText() : undefined;
  const leader_addr = cursor.literal(LEADER_ADDR) ? cursor.plainText() : undefined;
  const prev_log_index = cursor.literal(PREV_INDEX) ? cursor.count() : -1;
  const prev_log_term = cursor.literal(PREV_TERM) ? cursor.count() : -1;
  if (leader_id === undefined || leader_addr === undefined) return undefined;
  if (term < 0 || prev_log_index < 0 || prev_log_term < 0) return undefined;
  const entries = cursor.literal(ENTRIES) ? scanList(cursor, scanLogEntry) : undefined;
  if (entries === undefined || !cursor.literal(COMMIT)) return undefined;
  const leader_commit = cursor.count();
  if (leader_commit < 0) return undefined;
  const x = cursor.literal(EXTRA) ? scanExtra(cursor) : undefined;
  if (cursor.peek() !== 0x7d || cursor.at + 1 !== end) return undefined;
  const at = { term, leader_id, leader_addr, prev_log_index, prev_log_term };
  return { ...at, entries, leader_commit, ...(x === undefined ? {} : { x }) };
}

/** Everything up to the last byte, which closes the message. */
function scanExtra(cursor: ByteCursor): JsonValue {
  const value = parseExact(cursor.bytes.subarray(cursor.at, cursor.end - 1));
  cursor.at = cursor.end - 1;
  return toSafeJson(value, "appendEntries.x");
}

/** @returns undefined for anything but the canonical spelling */
export function scanWALBatch(bytes: Uint8Array, from: number, end: number): WALBatch | undefined {
  const cursor = new ByteCursor(bytes, from, end);
  const batch = scanList(cursor, scanWALEntry);
  return cursor.at === end ? batch : undefined;
}

function scanList<T>(
  cursor: ByteCursor,
  scanItem: (cursor: ByteCursor) => T | undefined,
): (T | null)[] | null | undefined {
  if (cursor.literal(NULL)) return null;
  if (cursor.peek() !== 0x5b) return undefined;
  cursor.at += 1;
  const items: (T | null)[] = [];
  if (cursor.peek() === 0x5d) {
    cursor.at += 1;
    return items;
  }
  for (;;) {
    const item = cursor.literal(NULL) ? null : scanItem(cursor);
    if (item === undefined) return undefined;
    items.push(item);
    const next = cursor.peek();
    cursor.at += 1;
    if (next === 0x5d) return items;
    if (next !== 0x2c) return undefined;
  }
}

function scanCommand(cursor: ByteCursor): Uint8Array | null | undefined {
  if (cursor.literal(NULL)) return null;
  const start = cursor.at;
  return skipCanonicalCommand(cursor) ? cursor.bytes.subarray(start, cursor.at) : undefined;
}

/** The command of an entry of our own kinds: null, or any JSON object. */
function scanOwnCommand(cursor: ByteCursor, where: string): Uint8Array | null | undefined {
  if (cursor.literal(NULL)) return null;
  const start = cursor.at;
  if (!cursor.object()) return undefined;
  return ownCommand(parseExact(cursor.bytes.subarray(start, cursor.at)), where);
}

function scanLogEntry(cursor: ByteCursor): LogEntry | undefined {
  const index = cursor.literal(INDEX) ? cursor.count() : -1;
  const term = cursor.literal(ENTRY_TERM) ? cursor.count() : -1;
  if (index < 0 || term < 0) return undefined;
  const kind = cursor.literal(KIND) ? cursor.plainText() : undefined;
  if (!cursor.literal(COMMAND)) return undefined;
  const command = kind === undefined ? scanCommand(cursor) : scanOwnCommand(cursor, OWN_COMMAND);
  if (command === undefined || cursor.peek() !== 0x7d) return undefined;
  cursor.at += 1;
  return kind === undefined ? { index, term, command } : { index, term, kind, command };
}

function scanWALEntry(cursor: ByteCursor): WALEntry | undefined {
  const Position = cursor.literal(POSITION) ? cursor.count() : -1;
  const Timestamp = cursor.literal(TIMESTAMP) ? cursor.decimal() : "";
  if (Position < 0 || Timestamp === "") return undefined;
  const Term = cursor.literal(WAL_TERM) ? cursor.count() : undefined;
  const Kind = cursor.literal(WAL_KIND) ? (cursor.plainText() ?? "") : undefined;
  if ((Term !== undefined && Term < 0) || Kind === "") return undefined;
  const x = cursor.literal(EXTRA) ? scanObject(cursor, WAL_EXTRA) : undefined;
  if (!cursor.literal(WAL_COMMAND)) return undefined;
  const Command =
    Kind === undefined ? scanCommand(cursor) : scanOwnCommand(cursor, WAL_OWN_COMMAND);
  if (Command === undefined || cursor.peek() !== 0x7d) return undefined;
  cursor.at += 1;
  return walEntry({ Position, Timestamp, Command }, Term, Kind, x);
}

function walEntry(
  entry: WALEntry,
  Term: number | undefined,
  Kind: string | undefined,
  x: JsonValue | undefined,
): WALEntry {
  const { Position, Timestamp, Command } = entry;
  if (Kind === undefined && x === undefined) {
    return Term === undefined ? entry : { Position, Timestamp, Term, Command };
  }
  return {
    ...entry,
    ...(Term === undefined ? {} : { Term }),
    ...(Kind === undefined ? {} : { Kind }),
    ...(x === undefined ? {} : { x }),
  };
}

function scanObject(cursor: ByteCursor, where: string): JsonValue | undefined {
  const start = cursor.at;
  if (!cursor.object()) return undefined;
  return toSafeJson(parseExact(cursor.bytes.subarray(start, cursor.at)), where);
}

function toItems<T>(value: ExactValue | undefined, where: string, toItem: (v: ExactValue) => T) {
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) {
    throw new CodecError("WRONG_SHAPE", `${where} must be an array or null`, where);
  }
  return value.map((item) => (item === null ? null : toItem(item)));
}

/** With a kind of ours the command is any JSON of ours, else NornicDB's Command. */
function toCommandBytes(value: ExactValue | undefined, kind: string | undefined, where: string) {
  if (value === undefined || value === null) return null;
  return kind === undefined ? canonicalCommand(value) : ownCommand(value, where);
}

function ownCommand(value: ExactValue, where: string): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(toSafeJson(value, where))));
}

export function toAppendEntries(value: ExactValue, integers: Integers): AppendEntries | null {
  if (value === null) return null;
  const at = "appendEntries";
  const given = foldKeys(value, at);
  const count = (name: string) => toCount(given.get(name), `${at}.${name}`, integers);
  const extra = given.get("x");
  return {
    term: count("term"),
    leader_id: toText(given.get("leader_id"), `${at}.leader_id`),
    leader_addr: toText(given.get("leader_addr"), `${at}.leader_addr`),
    prev_log_index: count("prev_log_index"),
    prev_log_term: count("prev_log_term"),
    entries: toItems(given.get("entries"), `${at}.entries`, (v) => toLogEntry(v, integers)),
    leader_commit: count("leader_commit"),
    ...(extra === undefined ? {} : { x: toSafeJson(extra, `${at}.x`) }),
  };
}

function toLogEntry(value: ExactValue, integers: Integers): LogEntry {
  const at = "appendEntries.entries";
  const given = foldKeys(value, at);
  const kind = given.has("kind") ? toText(given.get("kind"), `${at}.kind`) : undefined;
  const index = toCount(given.get("index"), `${at}.index`, integers);
  const term = toCount(given.get("term"), `${at}.term`, integers);
  const command = toCommandBytes(given.get("command"), kind, `${at}.command`);
  return kind === undefined ? { index, term, command } : { index, term, kind, command };
}

export function toWALBatch(value: ExactValue, integers: Integers): WALBatch {
  return toItems(value, "walBatch", (v) => toWALEntry(v, integers));
}

function toWALEntry(value: ExactValue, integers: Integers): WALEntry {
  const at = "walBatch";
  const given = foldKeys(value, at);
  const kind = given.has("kind") ? toText(given.get("kind"), `${at}.Kind`) : undefined;
  const term = given.has("term") ? toCount(given.get("term"), `${at}.Term`, integers) : undefined;
  const extra = given.get("x");
  const entry = {
    Position: toCount(given.get("position"), `${at}.Position`, integers),
    Timestamp: toNanoseconds(given.get("timestamp"), `${at}.Timestamp`),
    Command: toCommandBytes(given.get("command"), kind, `${at}.Command`),
  };
  return walEntry(
    entry,
    term,
    kind,
    extra === undefined ? undefined : toSafeJson(extra, WAL_EXTRA),
  );
}

function writeCommand(writer: ByteWriter, command: unknown, where: string): void {
  if (command === null) writer.text("null");
  else if (command instanceof Uint8Array && command.length > 0) writer.bytes(command);
  else throw new CodecError("UNENCODABLE", `${where} must be bytes or null`, where);
}

/** @returns about as many bytes as the entries of a message take, 0 for messages without any */
export function entryBytes(type: number, payload: PeerPayload | undefined): number {
  const items =
    type === MessageType.walBatch
      ? (payload as WALBatch)
      : type === MessageType.appendEntries
        ? (payload as AppendEntries | null)?.entries
        : undefined;
  if (!Array.isArray(items)) return 0;
  let bytes = 0;
  for (const item of items as readonly (Partial<LogEntry & WALEntry> | null)[]) {
    bytes += ENTRY_FRAME_BYTES + ((item?.command ?? item?.Command)?.length ?? 0);
  }
  return bytes;
}

function writeItems<T>(
  writer: ByteWriter,
  items: readonly (T | null)[] | null,
  where: string,
  writeItem: (item: T) => void,
): void {
  if (items === null) {
    writer.text("null");
    return;
  }
  if (!Array.isArray(items))
    throw new CodecError("UNENCODABLE", `${where} must be an array`, where);
  let before = "[";
  for (const item of items as readonly (T | null)[]) {
    writer.text(before);
    before = ",";
    if (item === null) writer.text("null");
    else writeItem(item);
  }
  writer.text(items.length === 0 ? "[]" : "]");
}

/** @throws CodecError `UNENCODABLE` naming the field */
export function writeAppendEntries(writer: ByteWriter, payload: PeerPayload): void {
  if (payload === null) {
    writer.text("null");
    return;
  }
  const message = payload as AppendEntries;
  const at = "appendEntries";
  writer.text(`{"term":${countText(message.term, `${at}.term`)},"leader_id":`);
  writer.text(
    `${quote(String(message.leader_id))},"leader_addr":${quote(String(message.leader_addr))}`,
  );
  writer.text(`,"prev_log_index":${countText(message.prev_log_index, `${at}.prev_log_index`)}`);
  writer.text(`,"prev_log_term":${countText(message.prev_log_term, `${at}.prev_log_term`)}`);
  writer.text(',"entries":');
  writeItems<LogEntry>(writer, message.entries, `${at}.entries`, (entry) => {
    const index = countText(entry.index, `${at}.entries.index`);
    const term = countText(entry.term, `${at}.entries.term`);
    const kind = entry.kind === undefined ? "" : `,"kind":${quote(entry.kind)}`;
    writer.text(`{"index":${index},"term":${term}${kind},"command":`);
    writeCommand(writer, entry.command, `${at}.entries.command`);
    writer.text("}");
  });
  writer.text(`,"leader_commit":${countText(message.leader_commit, `${at}.leader_commit`)}`);
  writeExtra(writer, message.x as JsonValue | undefined);
  writer.text("}");
}

/** @throws CodecError `UNENCODABLE` naming the field */
export function writeWALBatch(writer: ByteWriter, payload: PeerPayload): void {
  const at = "walBatch";
  writeItems<WALEntry>(writer, payload as WALBatch, at, (entry) => {
    const position = countText(entry.Position, `${at}.Position`);
    const time = nanosecondsText(entry.Timestamp, `${at}.Timestamp`);
    const term = entry.Term === undefined ? "" : `,"Term":${countText(entry.Term, `${at}.Term`)}`;
    const kind = entry.Kind === undefined ? "" : `,"Kind":${quote(entry.Kind)}`;
    writer.text(`{"Position":${position},"Timestamp":${time}${term}${kind}`);
    writeExtra(writer, entry.x);
    writer.text(',"Command":');
    writeCommand(writer, entry.Command, `${at}.Command`);
    writer.text("}");
  });
}

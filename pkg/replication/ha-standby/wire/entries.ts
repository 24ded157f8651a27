import { isSafeCount, type Position, toLogIndex, toTerm } from "../../../base/index.js";
import type { Entry, EntryKind, PeerPayload } from "../../ports/index.js";
import { badField, PayloadFields, toRecord } from "../../wire/index.js";
import type { WalBatch } from "../messages.js";
import { HA_WIRE_LIMITS } from "./limits.js";

const OWN_KINDS: readonly EntryKind[] = ["noop", "config", "marker"];
const EMPTY = new Uint8Array(0);
const WHERE = "wal_batch";

/** The batch as NornicDB's list of entries; what is said of the whole batch stands in the first. */
export function toWalEntries(batch: WalBatch, timestamp: string): PeerPayload {
  const { epoch, prev, commit } = batch;
  return batch.entries.map(({ index, term, kind, payload }, at) => ({
    Position: index,
    Timestamp: timestamp,
    Term: term,
    ...(kind === "command" ? {} : { Kind: kind }),
    ...(at === 0 ? { x: { epoch, prev: [prev.index, prev.term], commit } } : {}),
    Command: payload.length === 0 ? null : payload,
  }));
}

/** True when it is a batch of ours, which says its epoch. */
export function isOwnBatch(payload: PeerPayload): boolean {
  const first = Array.isArray(payload) ? (payload[0] as PeerPayload | undefined) : undefined;
  return first !== null && first !== undefined && toRecord(first, WHERE).x !== undefined;
}

/** @throws ReplicationError `INVALID` naming the field */
export function toWalBatch(payload: PeerPayload): WalBatch {
  if (!Array.isArray(payload) || payload.length === 0) throw badField(WHERE, "a list of entries");
  if (payload.length > HA_WIRE_LIMITS.entriesMax) {
    throw badField(WHERE, `a list of at most ${HA_WIRE_LIMITS.entriesMax} entries`);
  }
  const x = new PayloadFields(payload[0] as PeerPayload, WHERE).fields("x");
  const epoch = x.term("epoch");
  const prev = pairAt(x, "prev");
  if (prev.term > epoch) throw badField(`${WHERE}.x.prev`, "at most the epoch");
  let { index, term }: { index: number; term: number } = prev;
  const entries = payload.map((item: PeerPayload, at) => {
    const entry = toEntry(item, `${WHERE}[${at}]`);
    index += 1;
    if (entry.index !== index) throw badField(`${WHERE}[${at}].Position`, `${index}, the next one`);
    const termMin = Math.max(term, 1);
    if (entry.term < termMin || entry.term > epoch) {
      throw badField(`${WHERE}[${at}].Term`, `from ${termMin} to ${epoch}`);
    }
    term = entry.term;
    return entry;
  });
  return { kind: "wal_batch", epoch, prev, entries, commit: x.index("commit") };
}

function toEntry(item: PeerPayload, where: string): Entry {
  const { Position: index, Term: term, Kind: kind, Command: command } = toRecord(item, where);
  if (!isSafeCount(index)) throw badField(`${where}.Position`, "a whole number from 0");
  if (!isSafeCount(term)) throw badField(`${where}.Term`, "a whole number from 0");
  if (kind !== undefined && !OWN_KINDS.includes(kind as EntryKind)) {
    throw badField(`${where}.Kind`, `one of ${OWN_KINDS.join(", ")}, or left out`);
  }
  if (command !== null && !(command instanceof Uint8Array && command.length > 0)) {
    throw badField(`${where}.Command`, "bytes or null");
  }
  if (kind === undefined && command === null) throw badField(`${where}.Command`, "there");
  if (kind === "noop" && command !== null) throw badField(`${where}.Command`, "null for a noop");
  return {
    index: toLogIndex(index),
    term: toTerm(term),
    kind: (kind as EntryKind | undefined) ?? "command",
    payload: command ?? EMPTY,
  };
}

/** A position travels as `[index, term]`: 0 and 0, or neither. */
export function pairAt(fields: PayloadFields, name: string): Position {
  const [index, term, ...more] = fields.list(name, 2);
  const isPair = isSafeCount(index) && isSafeCount(term) && more.length === 0;
  if (!isPair || (index === 0) !== (term === 0)) throw fields.bad(name, "[index, term]");
  return { index: toLogIndex(index), term: toTerm(term) };
}

import { isSafeCount, toLogIndex, toTerm } from "../../../base/index.js";
import type { Entry, EntryKind, PeerPayload } from "../../ports/index.js";
import { badField, toRecord } from "../../wire/index.js";
import { WIRE_LIMITS } from "./limits.js";

const OWN_KINDS: readonly EntryKind[] = ["noop", "config", "marker"];

/** The entries as NornicDB's log entries; payloads go along as the bytes they are. */
export function toWireEntries(entries: readonly Entry[]): PeerPayload {
  return entries.map(({ index, term, kind, payload }) => {
    const command = payload.length === 0 ? null : payload;
    return kind === "command" ? { index, term, command } : { index, term, kind, command };
  });
}

/**
 * Reads entries that must follow `prev` without a gap, their terms not falling and none above
 * `termMax`.
 * @throws ReplicationError `INVALID` naming the field
 */
export function toEntries(
  value: PeerPayload | undefined,
  follows: { readonly index: number; readonly term: number; readonly termMax: number },
): Entry[] {
  const where = "append.entries";
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw badField(where, "a list or null");
  if (value.length > WIRE_LIMITS.entriesMax) {
    throw badField(where, `a list of at most ${WIRE_LIMITS.entriesMax} entries`);
  }
  let { index, term } = follows;
  return value.map((item: PeerPayload, at) => {
    const entry = toEntry(item, `${where}[${at}]`);
    index += 1;
    if (entry.index !== index) throw badField(`${where}[${at}].index`, `${index}, the next one`);
    const termMin = Math.max(term, 1);
    if (entry.term < termMin || entry.term > follows.termMax) {
      throw badField(`${where}[${at}].term`, `from ${termMin} to ${follows.termMax}`);
    }
    term = entry.term;
    return entry;
  });
}

const EMPTY = new Uint8Array(0);

function toEntry(item: PeerPayload, where: string): Entry {
  const { index, term, kind, command } = toRecord(item, where);
  if (!isSafeCount(index)) throw badField(`${where}.index`, "a whole number from 0 to 2^53 - 1");
  if (!isSafeCount(term)) throw badField(`${where}.term`, "a whole number from 0 to 2^53 - 1");
  if (kind !== undefined && !OWN_KINDS.includes(kind as EntryKind)) {
    throw badField(`${where}.kind`, `one of ${OWN_KINDS.join(", ")}, or left out`);
  }
  if (command !== null && !(command instanceof Uint8Array && command.length > 0)) {
    throw badField(`${where}.command`, "bytes or null");
  }
  const needsPayload = kind === undefined || kind === "config";
  if (needsPayload && command === null) throw badField(`${where}.command`, "there");
  if (kind === "noop" && command !== null) throw badField(`${where}.command`, "null for a noop");
  return {
    index: toLogIndex(index),
    term: toTerm(term),
    kind: (kind as EntryKind | undefined) ?? "command",
    payload: command ?? EMPTY,
  };
}

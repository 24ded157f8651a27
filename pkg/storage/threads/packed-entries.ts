import { toLogIndex, toTerm } from "../../base/index.js";
import type { Entry, EntryKind } from "../../replication/ports/index.js";

const KINDS: readonly EntryKind[] = ["command", "noop", "config", "marker"];

/** Entries that follow each other, in a few buffers that can change threads without a copy each. */
export interface PackedEntries {
  readonly firstIndex: number;
  readonly terms: Float64Array;
  readonly kinds: Uint8Array;
  /** Where each payload ends in `bytes`. */
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
}

export function packEntries(entries: readonly Entry[]): PackedEntries {
  const terms = new Float64Array(entries.length);
  const kinds = new Uint8Array(entries.length);
  const ends = new Uint32Array(entries.length);
  let end = 0;
  for (const [i, { term, kind, payload }] of entries.entries()) {
    terms[i] = term;
    kinds[i] = KINDS.indexOf(kind);
    end += payload.length;
    ends[i] = end;
  }
  const bytes = new Uint8Array(end);
  for (const [i, { payload }] of entries.entries()) bytes.set(payload, i && ends[i - 1]);
  return { firstIndex: entries[0]?.index ?? 0, terms, kinds, ends, bytes };
}

export function unpackEntries(packed: PackedEntries): Entry[] {
  const entries: Entry[] = [];
  let start = 0;
  for (let i = 0; i < packed.terms.length; i += 1) {
    const end = packed.ends[i] as number;
    entries.push({
      index: toLogIndex(packed.firstIndex + i),
      term: toTerm(packed.terms[i] as number),
      kind: KINDS[packed.kinds[i] as number] as EntryKind,
      payload: packed.bytes.subarray(start, end),
    });
    start = end;
  }
  return entries;
}

import { invariant, type Position } from "../../base/index.js";
import type { Entry, HardState } from "../../replication/ports/index.js";
import { RECORD_BYTES } from "./format.js";
import { LOG_LIMITS } from "./limits.js";

/** @param segmentBytes - size of the segment that the entries would go to */
export function assertEntries(
  entries: readonly Entry[],
  last: Position,
  segmentBytes: number,
): void {
  let index: number = last.index;
  let term: number = last.term;
  let bytes = segmentBytes;
  for (const entry of entries) {
    invariant(entry.index === index + 1, "entries follow one another without a gap");
    invariant(entry.term >= term, "terms do not fall from entry to entry");
    invariant(
      entry.payload.length <= LOG_LIMITS.payloadBytesMax,
      "a payload keeps within payloadBytesMax",
    );
    index = entry.index;
    term = entry.term;
    bytes += entry.payload.length + RECORD_BYTES;
  }
  invariant(bytes <= LOG_LIMITS.segmentBytesHardMax, "a segment is synced before it is too large");
}

export function assertHardState(now: HardState, next: HardState): void {
  invariant(next.term >= now.term, "the term of the hard state never goes back");
  invariant(next.commit >= now.commit, "the committed index never goes back");
  invariant(next.epoch >= now.epoch, "the fencing epoch never goes back");
  invariant(
    next.term > now.term || now.votedFor === null || next.votedFor === now.votedFor,
    "a vote is kept for the whole term",
  );
}

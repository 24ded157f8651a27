import { isSafeCount, type Position, toLogIndex, toTerm } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";

const FORM = /^nb1:(0|[1-9a-z][0-9a-z]{0,10}):(0|[1-9a-z][0-9a-z]{0,10})$/;

/** @returns the token for a position; clients pass it on unread, and any front end takes it back */
export function toBookmark(position: Position): string {
  return `nb1:${position.index.toString(36)}:${position.term.toString(36)}`;
}

/**
 * @param field - the name the client gave it under, for the message
 * @throws ReplicationError `INVALID` when the text is not a bookmark of ours
 */
export function parseBookmark(text: string, field = "after"): Position {
  const match = FORM.exec(text);
  const index = match ? Number.parseInt(match[1]!, 36) : Number.NaN;
  const term = match ? Number.parseInt(match[2]!, 36) : Number.NaN;
  if (!isSafeCount(index) || !isSafeCount(term)) {
    throw new ReplicationError("INVALID", `${field}: not a bookmark`, {
      field,
      hint: "pass on, unchanged, the bookmark that an earlier answer carried",
    });
  }
  return { index: toLogIndex(index), term: toTerm(term) };
}

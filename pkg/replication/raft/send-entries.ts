import type { LogIndex, NodeId } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";
import type { RaftEffect, RaftInput } from "./core/effects.js";
import type { RaftMessage } from "./messages.js";

type SendEntries = Extract<RaftEffect, { readonly kind: "send_entries" }>;

/** Reads what the core wants sent out of the log. @returns what the core is told of it, at once */
export function sendEntries(
  effect: SendEntries,
  log: LogStore,
  send: (to: NodeId, body: RaftMessage) => void,
): RaftInput {
  const { to, term, prevIndex, prevTerm, from, upTo, bytesMax, commit } = effect;
  const sent = { kind: "sent" as const, to, term };
  if (from < log.firstIndex) {
    return { ...sent, upTo: (from - 1) as LogIndex, bytes: 0, compacted: true };
  }
  const entries = log.read(from, upTo, bytesMax);
  const last = entries.at(-1)?.index ?? ((from - 1) as LogIndex);
  const bytes = entries.reduce((sum, { payload }) => sum + payload.length, 0);
  send(to, { kind: "append", term, prevIndex, prevTerm, entries, commit });
  return { ...sent, upTo: last, bytes, compacted: false };
}

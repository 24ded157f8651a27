import type { LogIndex, NodeId } from "../../base/index.js";
import { payloadBytes } from "../driver/unanswered.js";
import type { LogStore } from "../ports/index.js";
import type { RaftEffect, RaftInput } from "./core/effects.js";
import type { RaftMessage } from "./messages.js";

type SendEntries = Extract<RaftEffect, { readonly kind: "send_entries" }>;

export interface EntriesReceiver {
  /** False while so much is under way to it already that no more is read for it. */
  hasRoom(to: NodeId): boolean;
  send(to: NodeId, body: RaftMessage): void;
}

/** Reads what the core wants sent out of the log. @returns what the core is told of it, at once */
export function sendEntries(effect: SendEntries, log: LogStore, peers: EntriesReceiver): RaftInput {
  const { to, term, prevIndex, prevTerm, from, upTo, bytesMax, commit } = effect;
  const sent = { kind: "sent" as const, to, term };
  if (from < log.firstIndex) {
    return { ...sent, upTo: (from - 1) as LogIndex, bytes: 0, compacted: true };
  }
  if (!peers.hasRoom(to)) {
    return { ...sent, upTo: (from - 1) as LogIndex, bytes: 0, compacted: false };
  }
  const entries = log.read(from, upTo, bytesMax);
  const last = entries.at(-1)?.index ?? ((from - 1) as LogIndex);
  const bytes = payloadBytes(entries);
  peers.send(to, { kind: "append", term, prevIndex, prevTerm, entries, commit });
  return { ...sent, upTo: last, bytes, compacted: false };
}

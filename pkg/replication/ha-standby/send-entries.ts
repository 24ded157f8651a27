import type { LogIndex, NodeId } from "../../base/index.js";
import { payloadBytes } from "../driver/unanswered.js";
import type { LogStore } from "../ports/index.js";
import type { HaInput } from "./core/effects.js";
import type { WalBatch } from "./messages.js";
import type { HaOwnEffect } from "./mode-parts.js";

export type SendEntries = Extract<HaOwnEffect, { kind: "send_entries" }>;

export interface BatchReceiver {
  /** False while so much is under way to it already that no more is read for it. */
  hasRoom(to: NodeId): boolean;
  send(to: NodeId, batch: WalBatch): void;
}

/** Reads the entries out of the log and sends them. @returns what the core is told at once */
export function sendEntries(effect: SendEntries, log: LogStore, peers: BatchReceiver): HaInput {
  const { to, epoch, prev, from, upTo, bytesMax, entriesMax, commit } = effect;
  const before = (from - 1) as LogIndex;
  if (from < log.firstIndex) {
    return { kind: "sent", to, epoch, upTo: before, bytes: 0, compacted: true };
  }
  if (upTo < from || !peers.hasRoom(to)) {
    return { kind: "sent", to, epoch, upTo: before, bytes: 0, compacted: false };
  }
  const end = Math.min(upTo, from + entriesMax - 1) as LogIndex;
  const entries = log.read(from, end, bytesMax);
  const last = entries.at(-1)?.index ?? before;
  const bytes = payloadBytes(entries);
  if (entries.length > 0) peers.send(to, { kind: "wal_batch", epoch, prev, entries, commit });
  return { kind: "sent", to, epoch, upTo: last, bytes, compacted: false };
}

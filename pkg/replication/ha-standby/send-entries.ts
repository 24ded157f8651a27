import type { LogIndex } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";
import type { HaInput } from "./core/effects.js";
import type { WalBatch } from "./messages.js";
import type { HaOwnEffect } from "./mode-parts.js";

type SendEntries = Extract<HaOwnEffect, { kind: "send_entries" }>;

/** Reads the entries out of the log and sends them. @returns what the core is told at once */
export function sendEntries(
  effect: SendEntries,
  log: LogStore,
  send: (to: SendEntries["to"], batch: WalBatch) => void,
): HaInput {
  const { to, epoch, prev, from, upTo, bytesMax, entriesMax, commit } = effect;
  const before = (from - 1) as LogIndex;
  if (from < log.firstIndex) {
    return { kind: "sent", to, epoch, upTo: before, bytes: 0, compacted: true };
  }
  const end = Math.min(upTo, from + entriesMax - 1) as LogIndex;
  const entries = log.read(from, end, bytesMax);
  const last = entries.at(-1)?.index ?? before;
  const bytes = entries.reduce((sum, { payload }) => sum + payload.length, 0);
  if (entries.length > 0) send(to, { kind: "wal_batch", epoch, prev, entries, commit });
  return { kind: "sent", to, epoch, upTo: last, bytes, compacted: false };
}

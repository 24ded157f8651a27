import type { LogLevel } from "../../runtime/index.js";
import type { HaNote } from "./core/effects.js";

interface NoteText {
  readonly level: LogLevel;
  readonly text: string;
}

const info = (text: string): NoteText => ({ level: "info", text });
const warn = (text: string): NoteText => ({ level: "warn", text });
const error = (text: string): NoteText => ({ level: "error", text });

const TEXTS: Readonly<Record<HaNote, NoteText>> = {
  became_primary: info("[failover] Promoting to PRIMARY role"),
  primary_ready: info("[failover] Primary accepts writes"),
  became_standby: info("[replication] This node is a standby"),
  stage_changed: info("[replication] The standby's stage changed"),
  primary_lost: warn("[failover] The primary is silent"),
  primary_back: info("[replication] Stream connected to primary"),
  claim_started: info("[failover] Seeking promotion"),
  claim_failed: warn("[failover] Not promoted"),
  fenced: warn("[failover] This node is fenced: it takes no writes"),
  lease_lost: warn("[failover] The lease is lost"),
  authority_lost: warn("[failover] Nothing is acknowledged until lease or standbys confirm it"),
  authority_back: info("[failover] Writes are acknowledged again"),
  standby_in_sync: info("[replication] A standby is in sync"),
  standby_out_of_sync: warn("[replication] A standby is not in sync; it is not promoted by itself"),
  standby_wiped: error("[replication] A standby lost its disk"),
  degraded: error("[replication] Writes are acknowledged without a standby"),
  switchover_started: info("[failover] Handing over to a standby"),
  switchover_failed: warn("[failover] The standby did not take over; this node stays primary"),
  tail_salvaged: warn("[replication] Writes that the new primary has not are set aside"),
  tail_dropped: info("[replication] Entries that the primary has not were cut off"),
  full_sync_needed: info("[replication] Full sync needed"),
  full_sync_done: info("[replication] Full sync done"),
  copy_ignored: info("[replication] A copy of the state was not needed"),
  message_refused: warn("[replication] A message was refused"),
  log_lost: error("[replication] This node lost entries it had acknowledged; it copies everything"),
  split_brain_possible: error("[failover] There may be two primaries"),
  writes_refused: warn("[replication] Refusing writes"),
  writes_resumed: info("[replication] Accepting writes again"),
  stopping: info("[replication] Stopping"),
};

/** How each note of the core reads in the log. */
export const NOTES: Readonly<Record<string, NoteText>> = TEXTS;

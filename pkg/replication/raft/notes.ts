import type { LogLevel } from "../../runtime/index.js";
import type { RaftNote } from "./core/effects.js";

interface NoteText {
  readonly level: LogLevel;
  readonly text: string;
}

const TEXTS: Readonly<Record<RaftNote, NoteText>> = {
  founded: { level: "info", text: "[raft] Founding the cluster" },
  became_candidate: { level: "info", text: "[raft] Transitioning to CANDIDATE state" },
  became_leader: { level: "info", text: "[raft] Transitioning to LEADER state" },
  leader_ready: { level: "info", text: "[raft] Leader accepts writes" },
  became_follower: { level: "info", text: "[raft] Transitioning to FOLLOWER state" },
  leader_changed: { level: "info", text: "[raft] Leader changed" },
  members_changed: { level: "info", text: "[raft] Members changed" },
  member_wiped: {
    level: "error",
    text: "[raft] A member lost its disk; remove it and add it again",
  },
  transfer_started: { level: "info", text: "[raft] Leadership is being handed over" },
  transfer_failed: { level: "warn", text: "[raft] Leadership could not be handed over" },
  snapshot_needed: { level: "info", text: "[raft] A follower needs a copy of the state" },
  snapshot_ignored: { level: "info", text: "[raft] A copy of the state was not needed" },
  removed: { level: "warn", text: "[raft] This node is no member any more" },
  log_lost: {
    level: "error",
    text: "[raft] This node lost entries it had acknowledged; it votes no more",
  },
  tail_replaced: {
    level: "info",
    text: "[raft] Uncommitted entries were replaced by the leader's",
  },
  message_refused: { level: "warn", text: "[raft] A message was refused" },
  writes_refused: { level: "warn", text: "[replication] Refusing writes" },
  writes_resumed: { level: "info", text: "[replication] Accepting writes again" },
  stopping: { level: "info", text: "[replication] Stopping" },
};

/** How each note of the core reads in the log. */
export const NOTES: Readonly<Record<string, NoteText>> = TEXTS;

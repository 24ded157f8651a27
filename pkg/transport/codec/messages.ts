import type { JsonValue } from "../../base/index.js";

/** Whole nanoseconds since 1970 in decimal: they never fit a double. */
export type Nanoseconds = string;
/** Our own addition to NornicDB's payloads, which it skips. */
type Extra = { readonly x?: JsonValue };

export type VoteRequest = Extra & {
  readonly term: number;
  readonly candidate_id: string;
  readonly last_log_index: number;
  readonly last_log_term: number;
};
export type VoteResponse = Extra & {
  readonly term: number;
  readonly vote_granted: boolean;
  readonly voter_id: string;
};
/**
 * `command`: the UTF-8 JSON of the Command, as {@link encodeCommand} makes it. `kind` is ours, and
 * missing for a command; with it `command` may be any JSON, or null.
 */
export type LogEntry = {
  readonly index: number;
  readonly term: number;
  readonly kind?: string;
  readonly command: Uint8Array | null;
};
export type AppendEntries = Extra & {
  readonly term: number;
  readonly leader_id: string;
  readonly leader_addr: string;
  readonly prev_log_index: number;
  readonly prev_log_term: number;
  readonly entries: readonly (LogEntry | null)[] | null;
  readonly leader_commit: number;
};
export type AppendEntriesResponse = Extra & {
  readonly term: number;
  readonly success: boolean;
  readonly match_index: number;
  readonly conflict_index?: number;
  readonly conflict_term?: number;
  readonly responder_id: string;
};
/** `Term`, `Kind` and `x` are ours; `x` of the first entry speaks for the whole batch. */
export type WALEntry = Extra & {
  readonly Position: number;
  readonly Timestamp: Nanoseconds;
  readonly Term?: number;
  readonly Kind?: string;
  readonly Command: Uint8Array | null;
};
export type WALBatch = readonly (WALEntry | null)[] | null;
export type WALBatchResponse = Extra & {
  readonly AckedPosition: number;
  readonly ReceivedPosition: number;
};
export type Heartbeat = Extra & {
  readonly NodeID: string;
  readonly Role: string;
  readonly WALPosition: number;
  readonly Timestamp: Nanoseconds;
};
export type HeartbeatResponse = Extra & {
  readonly NodeID: string;
  readonly Role: string;
  readonly WALPosition: number;
  readonly Lag: number;
};
export type Fence = Extra & { readonly Reason: string; readonly RequestID: string };
export type FenceResponse = Extra & { readonly Fenced: boolean };
export type Promote = Extra & { readonly Reason: string };
export type PromoteResponse = Extra & { readonly Ready: boolean };

import type { LogIndex, Term } from "../../base/index.js";
import type { Entry } from "../ports/index.js";

/**
 * What raft nodes tell each other. Plain data; the sender's id travels beside it. Each may be lost,
 * doubled, late or out of order. `term` is the sender's current term. `disk` is the sender's disk
 * id: a new one is made with every new data directory, so a wiped node is a stranger to quorums.
 */
export type RaftMessage =
  | VoteRequest
  | VoteResponse
  | Append
  | AppendResponse
  | Heartbeat
  | HeartbeatResponse
  | ReadIndex
  | ReadIndexResponse
  | TimeoutNow
  | Forget;

/** Wire: 1 (a vote) or 26 (`preVote`). `forTerm` is the term the candidate would lead. */
export interface VoteRequest {
  readonly kind: "vote_request";
  readonly term: Term;
  readonly forTerm: Term;
  /** Asks whether a vote would be given; changes nothing at the voter. */
  readonly preVote: boolean;
  /** The leader asked for this election: the voter's loyalty to it does not count. */
  readonly transfer: boolean;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Index of the newest membership the candidate knows. */
  readonly configIndex: LogIndex;
}

/**
 * Why a vote was not given. `behind`: the voter's log is newer. `loyal`: it heard from a leader a
 * moment ago. `removed`: a later membership has no such candidate. `founded`: the candidate is
 * about to found a cluster that exists. `voted`: for another in that term. `stale`: the term is over.
 */
export type VoteRefusal = "behind" | "loyal" | "removed" | "founded" | "voted" | "stale" | "lost";

/** Wire: 2 or 27. `forTerm` and `preVote` repeat the request. */
export interface VoteResponse {
  readonly kind: "vote_response";
  readonly term: Term;
  readonly forTerm: Term;
  readonly preVote: boolean;
  readonly granted: boolean;
  readonly refusal: VoteRefusal | null;
  readonly disk: string;
}

/** Wire: 3 with entries. `entries[i].index === prevIndex + 1 + i`. */
export interface Append {
  readonly kind: "append";
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

/**
 * Wire: 4. `success`: everything up to `matchIndex` equals the leader's log and is durable here.
 * Otherwise `prevIndex` repeats the request that did not fit; `conflictTerm` is the term found
 * there (null: the log is shorter) and `conflictIndex` the first entry of that term, or the index
 * after the last entry.
 */
export type AppendResponse =
  | {
      readonly kind: "append_response";
      readonly term: Term;
      readonly success: true;
      readonly matchIndex: LogIndex;
      readonly disk: string;
    }
  | {
      readonly kind: "append_response";
      readonly term: Term;
      readonly success: false;
      readonly prevIndex: LogIndex;
      readonly conflictIndex: LogIndex;
      readonly conflictTerm: Term | null;
      readonly disk: string;
    };

/**
 * Wire: 3 without entries, `disk`, `round` and `at` under `x`. `prevIndex` is what this follower has
 * acknowledged as durable under `disk` (null and 0: nothing yet), so a follower that does not have
 * it knows that its log was lost. `at` is the leader's tick, sent back for the lease.
 */
export interface Heartbeat {
  readonly kind: "heartbeat";
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commit: LogIndex;
  readonly round: number;
  readonly at: number;
  readonly disk: string | null;
}

/**
 * Wire: 4, with `round`, `at`, `verified` and `disk` under `x`. `matchIndex` repeats the last
 * acknowledgement, in case it was lost. `verified`: up to here the log equals the leader's, durable
 * or not; it tells the leader which entries were lost on the way.
 */
export interface HeartbeatResponse {
  readonly kind: "heartbeat_response";
  readonly term: Term;
  readonly round: number;
  readonly at: number;
  readonly matchIndex: LogIndex;
  readonly verified: LogIndex;
  /** False: this follower lacks what it once acknowledged. */
  readonly intact: boolean;
  readonly disk: string;
}

/** Wire: 38. A follower asks the leader for an index that its reads must reach. */
export interface ReadIndex {
  readonly kind: "read_index";
  readonly term: Term;
  readonly id: number;
}

/** Wire: 39. `index` null: the answerer could not confirm that it leads. */
export interface ReadIndexResponse {
  readonly kind: "read_index_response";
  readonly term: Term;
  readonly id: number;
  readonly index: LogIndex | null;
}

/** Wire: 42. The leader asks its successor to campaign at once. */
export interface TimeoutNow {
  readonly kind: "timeout_now";
  readonly term: Term;
}

/** Wire: 40. The membership at `configIndex` is committed and has no such node: be quiet. */
export interface Forget {
  readonly kind: "forget";
  readonly term: Term;
  readonly configIndex: LogIndex;
}

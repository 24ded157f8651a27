import {
  type LogIndex,
  NO_POSITION,
  type NodeId,
  type Position,
  type Term,
} from "../../../base/index.js";
import type { Effect } from "../../driver/effects.js";
import type { HardState, LeaseRecord } from "../../ports/index.js";
import type { LogTerms, Progress } from "../../progress/index.js";
import type { HaMessage, PositionAnswer, WalBatch } from "../messages.js";

export type Durability = Extract<Effect, { kind: "answer" }>["durability"];

/** What the disk was asked to keep and has not reported yet. */
export interface PendingPersist {
  readonly seq: number;
  readonly last: LogIndex;
  /** It holds a new epoch: promises wait for it. */
  readonly promise: boolean;
}

export interface HeldMessage {
  readonly seq: number;
  readonly to: NodeId;
  readonly body: HaMessage;
}

/** Writes of one batch: `tickets[i]` waits for entry `first + i`, all of `term`. */
export interface Waiting {
  readonly first: LogIndex;
  readonly term: Term;
  readonly tickets: readonly number[];
  /** What each asked for beyond the mode; null: nothing. */
  readonly wants: readonly (Durability | null)[];
}

/** Applied, but not answered yet: authority or what the caller asked for is missing. */
export interface Owed {
  readonly ticket: number;
  readonly index: LogIndex;
  readonly want: Durability | null;
}

/** What a primary knows of one standby. */
export interface Peer {
  readonly progress: Progress;
  readonly disk: string | null;
  /** Tick at which it was last heard; that of the promotion before. */
  readonly heardAt: number;
  /** The newest answered question's tick that came with a promise. */
  readonly promisedAt: number;
  readonly aligned: boolean;
  readonly received: LogIndex;
  readonly applied: LogIndex;
  /** Tick at which it last held all there was. */
  readonly evenAt: number;
}

export interface PendingRecord {
  readonly id: number;
  readonly sentAt: number;
  readonly inSync: readonly NodeId[];
}

export interface Switchover {
  readonly target: NodeId;
  readonly ticket: number | null;
  readonly deadline: number;
}

/** Exists exactly while the node is primary. */
export interface Leadership {
  readonly peers: ReadonlyMap<NodeId, Peer>;
  readonly since: number;
  /** Index of the first entry of this epoch; until it is committed nobody is served. */
  readonly readyIndex: LogIndex;
  readonly heartbeatElapsed: number;
  readonly sentCommit: LogIndex;
  readonly round: number;
  /** Tick at which the newest granted request for the lease left. */
  readonly leaseAt: number;
  /** Tick from which it is prolonged, unless that is under way; later after a failure. */
  readonly renewAt: number;
  readonly renewal: { readonly id: number; readonly sentAt: number } | null;
  /** Standbys that may be promoted, as the arbiter is known to hold it; without one, as agreed. */
  readonly inSync: readonly NodeId[];
  readonly pending: PendingRecord | null;
  /** Sets asked for in this epoch whose outcome was never learned: each may still take effect. */
  readonly unsettled: readonly (readonly NodeId[])[];
  /** Tick at which the newest request was given up; null: its outcome is known. */
  readonly unsureSince: number | null;
  readonly switchover: Switchover | null;
  /** Who waits for this promotion. */
  readonly ticket: number | null;
  readonly hadAuthority: boolean;
  /** Tick since which no standby is in sync. */
  readonly aloneSince: number;
}

/** The primary that this node follows, or followed last. */
export interface Follow {
  readonly primary: NodeId;
  readonly epoch: Term;
  readonly heardAt: number;
  /** The primary says that this node, on this disk, is in sync. */
  readonly told: boolean;
  /** The highest commit told together with that. */
  readonly commit: LogIndex;
  /** The primary's last entry, as told. */
  readonly last: LogIndex;
  /** Its process is gone, or it has stopped and asked this node to take over. */
  readonly gone: boolean;
  readonly yielded: boolean;
}

/** Why a node may become primary. */
export type Grounds = "founding" | "own" | "follow" | "all" | "order";

export interface Claim {
  readonly stage: "asking" | "fencing" | "acquiring";
  /** How often it began anew since those in sync had changed. */
  readonly round: number;
  readonly since: number;
  readonly ticket: number | null;
  readonly force: boolean;
  readonly othersStopped: boolean;
  /** Identifies questions to peers and to the arbiter. */
  readonly id: number;
  readonly record: LeaseRecord | null;
  readonly answers: ReadonlyMap<NodeId, PositionAnswer>;
  readonly grounds: Grounds | null;
  readonly epoch: Term;
  /** Who answered the fence, where its log ends, and when. */
  readonly fenced: ReadonlyMap<NodeId, { readonly last: Position; readonly at: number }>;
}

/** What stands between the log and the primary's. */
export type Rejoin =
  | {
      readonly kind: "salvaging";
      readonly id: number;
      readonly from: LogIndex;
      /** The tail is cut from here; null: the log starts afresh from a copy. */
      readonly cutFrom: LogIndex | null;
    }
  | { readonly kind: "full_sync" }
  | { readonly kind: "installing"; readonly position: Position; readonly asked: boolean };

export interface HaObstacles {
  readonly diskLow: boolean;
  readonly logFull: boolean;
  readonly storageFull: boolean;
}

/**
 * `applied <= applying <= min(commit, durable)`, `durable <= log.last`; `aligned` means that the
 * whole log is a prefix of the followed primary's.
 */
export interface HaState {
  readonly phase: "starting" | "ready" | "stopping";
  readonly now: number;
  readonly hard: HardState;
  readonly log: LogTerms;
  readonly durable: LogIndex;
  /** The log took everything up to here (it had room). */
  readonly logged: LogIndex;
  readonly persistSeq: number;
  readonly persistedSeq: number;
  readonly persists: readonly PendingPersist[];
  readonly held: readonly HeldMessage[];
  readonly applying: LogIndex;
  readonly applied: LogIndex;
  readonly answered: LogIndex;
  readonly waiting: readonly Waiting[];
  readonly owed: readonly Owed[];
  readonly readyReads: readonly { readonly ticket: number; readonly index: LogIndex }[];
  readonly obstacles: HaObstacles;
  /** It lacks what it once committed: it needs a copy and is never promoted. */
  readonly lost: boolean;
  readonly follow: Follow | null;
  readonly aligned: boolean;
  readonly rejoin: Rejoin | null;
  readonly early: readonly WalBatch[];
  /** Tick of the last sign that there is a primary, or that somebody seeks to be. */
  readonly quietSince: number;
  /** Until then this node has promised not to become primary. */
  readonly promiseUntil: number;
  readonly claim: Claim | null;
  /** No claim before this tick. */
  readonly claimAfter: number;
  readonly failedClaims: number;
  /** Failovers in a short time; each makes the next one wait longer. */
  readonly setbacks: number;
  /** The record on which this run of claims, or this leadership, began; null after following. */
  readonly basis: LeaseRecord | null;
  /** It was deposed, or its stored epoch belongs to another, and no primary was heard since. */
  readonly fenced: boolean;
  /** Answers to questions from before this tick prove nothing: the loop stood still meanwhile. */
  readonly floor: number;
  readonly seen: Term;
  readonly nextId: number;
  readonly lead: Leadership | null;
}

const ZERO = 0 as LogIndex;

export const INITIAL_HA_STATE: HaState = {
  phase: "starting",
  now: 0,
  hard: { term: 0 as Term, votedFor: null, commit: ZERO, epoch: 0 },
  log: { base: NO_POSITION, runs: [], last: ZERO },
  durable: ZERO,
  logged: ZERO,
  persistSeq: 0,
  persistedSeq: 0,
  persists: [],
  held: [],
  applying: ZERO,
  applied: ZERO,
  answered: ZERO,
  waiting: [],
  owed: [],
  readyReads: [],
  obstacles: { diskLow: false, logFull: false, storageFull: false },
  lost: false,
  follow: null,
  aligned: false,
  rejoin: null,
  early: [],
  quietSince: 0,
  promiseUntil: 0,
  claim: null,
  claimAfter: 0,
  failedClaims: 0,
  setbacks: 0,
  basis: null,
  fenced: false,
  floor: 0,
  seen: 0 as Term,
  nextId: 1,
  lead: null,
};

import type { LogIndex, NodeId, Position, Term } from "../../../base/index.js";
import { NO_POSITION } from "../../../base/index.js";
import type { HardState } from "../../ports/index.js";
import type { LogTerms, Progress } from "../../progress/index.js";
import type { RaftMessage, VoteRefusal } from "../messages.js";
import type { ConfigEntry } from "./membership.js";

export type Role = "follower" | "precandidate" | "candidate" | "leader";

/** What the disk was asked to keep and has not reported yet. */
export interface PendingPersist {
  readonly seq: number;
  /** Last entry of the log as it was asked to be, less what was cut since. */
  readonly last: LogIndex;
  /** It holds a new term or vote: promises wait for it. */
  readonly promise: boolean;
  /** When it was asked for. */
  readonly at: number;
}

export interface HeldMessage {
  readonly seq: number;
  readonly to: NodeId;
  readonly body: RaftMessage;
}

/** Writes of one batch: `tickets[i]` waits for entry `first + i`, all of `term`. */
export interface Waiting {
  readonly first: LogIndex;
  readonly term: Term;
  readonly tickets: readonly number[];
}

export interface Vote {
  readonly granted: boolean;
  readonly refusal: VoteRefusal | null;
  readonly disk: string;
}

/** What a leader knows of one other member. */
export interface Peer {
  readonly progress: Progress;
  /** The disk it last answered from. */
  readonly disk: string | null;
  /** Tick at which it was last heard. */
  readonly heardAt: number;
  /** The newest round it answered, and the leader's tick at which that question left. */
  readonly round: number;
  readonly askedAt: number;
  /** It lacks what it once acknowledged: nothing of it counts. */
  readonly lost: boolean;
}

/** Who waits for a read: a caller here, or a follower that forwards for its own callers. */
export type Reader = { readonly ticket: number } | { readonly from: NodeId; readonly id: number };

export interface ReadRound {
  readonly round: number;
  readonly index: LogIndex;
  readonly readers: readonly Reader[];
}

export interface Transfer {
  readonly target: NodeId;
  readonly ticket: number | null;
  readonly deadline: number;
  readonly asked: boolean;
}

/** Exists exactly while the role is leader. */
export interface Leadership {
  readonly peers: ReadonlyMap<NodeId, Peer>;
  /** Index of the first entry of this term; until it is committed the leader serves nobody. */
  readonly readyIndex: LogIndex;
  /** Tick of the election. */
  readonly since: number;
  readonly heartbeatElapsed: number;
  /** The commit index that the last round of heartbeats carried. */
  readonly sentCommit: LogIndex;
  /** No answer to a question asked before this tick gives a lease. */
  readonly leaseFloor: number;
  /** A successor was asked to campaign in this term; no lease any more. */
  readonly leaseForfeited: boolean;
  readonly queuedReads: readonly Reader[];
  readonly readRound: ReadRound | null;
  readonly transfer: Transfer | null;
  /** Who waits for the change under way. */
  readonly changeTicket: number | null;
  /** Left out by the newest membership; told so once that is committed. */
  readonly leaving: readonly NodeId[];
}

/** Reads that a follower has asked the leader about. */
export interface ForwardedReads {
  readonly id: number;
  readonly deadline: number;
  readonly tickets: readonly number[];
}

export interface ReadyRead {
  readonly ticket: number;
  readonly index: LogIndex;
}

export interface Installing {
  readonly position: Position;
  readonly config: ConfigEntry;
  readonly keepTail: boolean;
  /** The effect went out; before that, an apply under way has to end. */
  readonly asked: boolean;
}

export interface RaftObstacles {
  readonly diskLow: boolean;
  readonly logFull: boolean;
  readonly storageFull: boolean;
}

/**
 * `applied <= applying <= min(commit, durable)`, `durable <= log.last`, `commit <= log.last`;
 * `configs` ascend and the first lies at or below `commit` once there is any.
 */
export interface RaftState {
  readonly phase: "starting" | "ready" | "stopping";
  readonly role: Role;
  readonly random: number;
  /** Ticks since the start. */
  readonly now: number;
  readonly hard: HardState;
  readonly leader: NodeId | null;
  readonly log: LogTerms;
  readonly configs: readonly ConfigEntry[];
  readonly durable: LogIndex;
  readonly persistSeq: number;
  readonly persistedSeq: number;
  readonly persists: readonly PendingPersist[];
  readonly held: readonly HeldMessage[];
  /** Up to here the log equals that of `leader` in this term. */
  readonly verified: LogIndex;
  /** The highest commit that `leader` told in this term. */
  readonly told: LogIndex;
  /** Highest match told to `leader` in this term; -1: none. */
  readonly acked: number;
  readonly ackOwed: boolean;
  readonly applying: LogIndex;
  readonly applied: LogIndex;
  readonly answered: LogIndex;
  readonly waiting: readonly Waiting[];
  readonly obstacles: RaftObstacles;
  readonly electionElapsed: number;
  readonly electionTimeout: number;
  readonly sinceLeader: number;
  readonly votes: ReadonlyMap<NodeId, Vote>;
  /** The campaign was asked for by the leader. */
  readonly handedOver: boolean;
  /** Campaigns of a founder so far; the first waits for everybody's answer. */
  readonly foundingTries: number;
  /** Told that it is no member: does not campaign until a leader speaks to it. */
  readonly quiet: boolean;
  /** It lacks what it once acknowledged: it votes for nobody. */
  readonly lost: boolean;
  /** Leaderships and campaigns lost in a row; each makes the next attempt wait longer. */
  readonly setbacks: number;
  readonly round: number;
  readonly lead: Leadership | null;
  readonly queuedForwards: readonly number[];
  readonly forwarded: ForwardedReads | null;
  /** Begins at a random place at every start, so that an answer to a former life fits nothing. */
  readonly forwardId: number;
  readonly readyReads: readonly ReadyRead[];
  readonly installing: Installing | null;
}

const ZERO = 0 as LogIndex;

export const INITIAL_RAFT_STATE: RaftState = {
  phase: "starting",
  role: "follower",
  random: 1,
  now: 0,
  hard: { term: 0 as Term, votedFor: null, commit: ZERO, epoch: 0 },
  leader: null,
  log: { base: NO_POSITION, runs: [], last: ZERO },
  configs: [],
  durable: ZERO,
  persistSeq: 0,
  persistedSeq: 0,
  persists: [],
  held: [],
  verified: ZERO,
  told: ZERO,
  acked: -1,
  ackOwed: false,
  applying: ZERO,
  applied: ZERO,
  answered: ZERO,
  waiting: [],
  obstacles: { diskLow: false, logFull: false, storageFull: false },
  electionElapsed: 0,
  electionTimeout: 0,
  sinceLeader: 0,
  votes: new Map(),
  handedOver: false,
  foundingTries: 0,
  quiet: false,
  lost: false,
  setbacks: 0,
  round: 0,
  lead: null,
  queuedForwards: [],
  forwarded: null,
  forwardId: 0,
  readyReads: [],
  installing: null,
};

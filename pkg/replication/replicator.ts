import type { JsonValue, LogIndex, NodeId, Position, Term } from "../base/index.js";
import type { Command } from "./command.js";

export const MODES = ["standalone", "ha_standby", "raft", "multi_region"] as const;
export type Mode = (typeof MODES)[number];

export const DURABILITIES = ["local", "received", "persisted", "quorum", "region"] as const;
/** Where an acknowledged write is. */
export type Durability = (typeof DURABILITIES)[number];

export interface Receipt {
  readonly index: LogIndex;
  readonly term: Term;
  readonly durability: Durability;
  /** The same request id had been applied before; nothing was done now. */
  readonly replayed: boolean;
  /** What the state machine answered. */
  readonly result: JsonValue;
}

export interface ApplyOptions {
  /** Longest wait in monotonic milliseconds from this call; the mode's commit timeout if missing. */
  readonly timeoutMs?: number | undefined;
  /** Ends the waiting, never the write: the call rejects with `COMMIT_UNKNOWN`. */
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions extends ApplyOptions {
  /**
   * Acknowledge not before the write is at least there; less than the mode asks changes nothing.
   * `standalone` gives `local`, `ha_standby` up to `persisted`, `raft` up to `quorum`,
   * `multi_region` up to `region`: another region has it, too. More is refused with `INVALID`. Where no standby is there to give it: `NO_STANDBY`.
   */
  readonly durability?: Durability | undefined;
}

export const READ_LEVELS = ["ONE", "LEADER", "QUORUM", "LOCAL_ONE", "LOCAL_QUORUM", "ALL"] as const;
export type ReadLevel = (typeof READ_LEVELS)[number];

export interface ReadOptions extends ApplyOptions {
  /** The state must have reached this position (a bookmark). */
  readonly after?: Position | undefined;
  /** `ONE` only: refuse with `LAGGING` when this node is further behind. */
  readonly maxLagEntries?: number | undefined;
  /**
   * The one thing that is looked at, as `ComparableContent` names it: a leader's read of it waits
   * for writes of it that are under way.
   */
  readonly key?: string | undefined;
}

export interface PeerHealth {
  readonly id: string;
  readonly address: string;
  readonly role: string;
  readonly healthy: boolean;
  /** Entries behind; null where this node cannot know. */
  readonly lag: number | null;
  /** How long it has been without something committed; null or missing where nobody can know. */
  readonly lagMs?: number | null;
  /** Bytes of the log that it lacks, about; missing where no node says so. */
  readonly lagBytes?: number | null;
  readonly state: string;
  /** null where this node cannot know. */
  readonly lastContactMs: number | null;
}

/** Another region, as a node of this one sees it. */
export interface RegionHealth {
  readonly region: string;
  /**
   * `streaming`; `waiting` for what a third region has to send it first; `asking`: it does not
   * answer; `refused`, `needs_copy`: see `reason`; `given_up`; `unknown` where this node does not lead.
   */
  readonly state:
    | "streaming"
    | "waiting"
    | "asking"
    | "refused"
    | "needs_copy"
    | "given_up"
    | "unknown";
  readonly reason: string | null;
  /** Where it is reached, or was tried last; null where this node does not lead. */
  readonly address: string | null;
  /** Changes of this region that it is not known to contain. */
  readonly lagEntries: number;
  /** Their size, by the mean of what was sent; null while nothing was. */
  readonly lagBytes: number | null;
  /** For how long the oldest of them has been there. */
  readonly lagMs: number;
  /** How far its clock was ahead of what is allowed for, when it was last heard. */
  readonly clockAheadMs: number;
}

/** One picture of the node for HTTP, the command line and metrics. */
export interface Health {
  readonly mode: Mode;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** Where peers reach this node; null for a node that has none. */
  readonly address: string | null;
  readonly role: string;
  readonly isLeader: boolean;
  readonly leaderId: NodeId | null;
  readonly leaderAddr: string | null;
  /** `starting`, `ready`, `read_only` (writes are refused, see `reason`), `stopping`, `failed`. */
  readonly state: "starting" | "ready" | "read_only" | "stopping" | "failed";
  readonly reason: string | null;
  /** It is ready, and a leader is known. */
  readonly healthy: boolean;
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly firstIndex: LogIndex;
  readonly logBytes: number;
  readonly pendingProposals: number;
  readonly lagEntries: number;
  /**
   * For how long something has been committed that is not applied here, or, where that is longer,
   * since this node has heard of no leader.
   */
  readonly lagMs: number;
  readonly region: string | null;
  /** The other regions, as far as this node knows; only the region's leader knows their states. */
  readonly regions?: readonly RegionHealth[] | undefined;
  /** Of a node of a pair: how far it is in its life, such as `streaming` or `full_sync`. */
  readonly stage?: string | undefined;
  /** Of a standby: every write that its primary acknowledges is here, so that it may be promoted. */
  readonly inSync?: boolean | undefined;
  /** Of a pair without arbiter that goes on when it is cut: both nodes may take writes. */
  readonly splitBrainPossible?: boolean | undefined;
  readonly peers: readonly PeerHealth[];
}

export type ReplicatorEvent =
  | { readonly kind: "role"; readonly role: string; readonly term: Term; readonly at: number }
  | {
      readonly kind: "leader";
      readonly leaderId: NodeId | null;
      readonly term: Term;
      readonly at: number;
    }
  /** The membership in force here is another one; `outgoing` while both lists of voters count. */
  | {
      readonly kind: "members";
      readonly voters: readonly string[];
      readonly outgoing: readonly string[];
      readonly learners: readonly string[];
      readonly term: Term;
      readonly at: number;
    }
  | {
      readonly kind: "state";
      readonly state: Health["state"];
      readonly reason: string | null;
      readonly at: number;
    };

/**
 * A replicated state machine, whichever mode stands behind it. Calls may overlap; writes of one
 * caller are ordered by call.
 */
export interface Replicator extends AsyncDisposable {
  /** Recovers the log, brings the state machine up to it, and serves. Call once. */
  start(): Promise<void>;
  /**
   * Replicates one command and waits until the mode's rule for an acknowledgement is met.
   * @returns where the write is
   * @throws ReplicationError with `outcome` `not_applied` (nothing happened; the code says why)
   * or `unknown` (`COMMIT_UNKNOWN`: it may still take effect; retry only with the same request id)
   */
  apply(command: Command, options?: WriteOptions): Promise<Receipt>;
  /**
   * Replicates several commands in order, each its own entry with its own fate: the array holds a
   * receipt or the error for each. For all-or-nothing use one `batchWrite` command.
   */
  applyBatch(
    commands: readonly Command[],
    options?: WriteOptions,
  ): Promise<readonly PromiseSettledResult<Receipt>[]>;
  /**
   * Resolves when this node may answer a read at that level.
   * @returns the position that the read must see at least
   */
  read(level: ReadLevel, options?: ReadOptions): Promise<Position>;
  isLeader(): boolean;
  leaderAddr(): string | null;
  leaderId(): NodeId | null;
  health(): Promise<Health>;
  waitForLeader(timeoutMs: number): Promise<NodeId>;
  mode(): Mode;
  nodeId(): NodeId;
  /** @returns how to stop listening */
  onEvent(listener: (event: ReplicatorEvent) => void): () => void;
  /** Refuses new writes, finishes those under way, makes all durable, closes. Idempotent. */
  shutdown(): Promise<void>;
}

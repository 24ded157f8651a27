import type { Awaitable, JsonValue, LogIndex, Position } from "../base/index.js";
import type {
  Durability,
  Health,
  ReadLevel,
  Receipt,
  ReplicatorEvent,
} from "../replication/index.js";
import type { SnapshotReader } from "../replication/ports/index.js";
import type {
  Change,
  ConflictNotice,
  EdgeQuery,
  GraphCounts,
  GraphEdge,
  GraphNode,
  NodeQuery,
  OperationResult,
  Page,
} from "../storage/index.js";
import type { Admission } from "./admission.js";
import type { Authenticator } from "./authentication.js";
import type { CheckName, CheckResult } from "./health-checks.js";
import type { HistoryEntry } from "./history.js";
import type { ServiceLimits } from "./limits.js";

export interface WriteOptions {
  /** The same id is applied once; 1-128 printable ASCII characters. */
  readonly requestId?: string | undefined;
  readonly timeoutMs?: number | undefined;
  /** Acknowledge not before it is at least there; see `WriteOptions` of the replicator. */
  readonly durability?: Durability | undefined;
  /** Ends the waiting, never the write. */
  readonly signal?: AbortSignal | undefined;
}

export interface WriteAnswer {
  /** One for each operation, in order. */
  readonly results: readonly OperationResult[];
  readonly receipt: Receipt;
  readonly bookmark: string;
}

export interface ReadOptions {
  /** The service's own level if missing. */
  readonly level?: ReadLevel | undefined;
  /** A bookmark: the answer is at or after it. */
  readonly after?: string | undefined;
  readonly maxLagEntries?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ReadAnswer<T> {
  readonly value: T;
  /** Hand it to a later read, on any node, and that read sees at least this much. */
  readonly bookmark: string;
}

export interface ChangesRequest {
  readonly after: LogIndex;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/**
 * What a listener of `onEvent` is told: the node's events, its lag when that has changed, and
 * conflicts between regions as they come up here; of very many at once only the latest.
 */
export type ServiceEvent =
  | ReplicatorEvent
  | {
      readonly kind: "conflict";
      readonly conflict: ConflictNotice["kind"];
      readonly id: string;
      /** `n:` or `e:` and the id of the thing. */
      readonly key: string;
      readonly field: string;
      readonly at: number;
    }
  | {
      readonly kind: "lag";
      readonly lagEntries: number;
      readonly lagMs: number;
      readonly at: number;
    };

/** What a comparison of all replicas found; says more than is named here. */
export interface ReplicasReport {
  readonly [name: string]: JsonValue;
  readonly equal: boolean;
}

/** The running digest against one computed afresh from every row, and the replicas' against each other. */
export interface VerifyReport {
  /** Both are equal. */
  readonly equal: boolean;
  readonly position: Position;
  readonly shards: number;
  /** Numbers of the shards whose rows here are not what was applied. */
  readonly differing: readonly number[];
  /** Missing where there is one replica. */
  readonly replicas?: ReplicasReport;
}

/** Operator actions that only some modes have. */
const ADMIN_ACTIONS = [
  "promote",
  "switch over",
  "add member",
  "remove member",
  "promote member",
  "transfer leadership",
  "step down",
  "compact",
  "region status",
  "promote region",
  "give up region",
  "readmit region",
  "adopt region",
  "list conflicts",
  "show conflict",
  "resolve conflict",
  "list salvage",
  "show salvage",
  "replay salvage",
  "discard salvage",
] as const;
export type AdminAction = (typeof ADMIN_ACTIONS)[number];
export type AdminActions = {
  readonly [action in AdminAction]?: (args: {
    readonly [name: string]: JsonValue;
  }) => Awaitable<JsonValue>;
};

/**
 * What clients may ask of a node, the same on every front end. Calls may overlap. All errors are
 * `ReplicationError`; besides those a method names, any may throw `OVERLOADED` (too much under way)
 * and `SHUTTING_DOWN`.
 */
export interface Service {
  readonly admission: Admission;
  readonly authenticator: Authenticator;
  readonly limits: ServiceLimits;
  readonly nodeId: string;

  /**
   * Validates the operations and replicates them as one command: all take effect, or none.
   * @param operations - as a client sent them; not read after the call returns its promise
   * @throws ReplicationError `INVALID` naming the field; what `Replicator.apply` throws; and the
   * state's own refusals: `NOT_FOUND`, `CONFLICT`, `VERSION_MISMATCH`
   */
  write(operations: unknown, options?: WriteOptions): Promise<WriteAnswer>;

  getNode(id: string, options?: ReadOptions): Promise<ReadAnswer<GraphNode | undefined>>;
  getEdge(id: string, options?: ReadOptions): Promise<ReadAnswer<GraphEdge | undefined>>;
  findNodes(query: NodeQuery, options?: ReadOptions): Promise<ReadAnswer<Page<GraphNode>>>;
  findEdges(query: EdgeQuery, options?: ReadOptions): Promise<ReadAnswer<Page<GraphEdge>>>;
  counts(options?: ReadOptions): Promise<ReadAnswer<GraphCounts>>;
  indexes(
    options?: ReadOptions,
  ): Promise<ReadAnswer<readonly { readonly label: string; readonly property: string }[]>>;

  /**
   * Opens the stream of changes, in batches, each change once and in order. To resume, ask again
   * after the index of the last one received.
   * @throws ReplicationError `COMPACTED` when changes after that index are no longer kept
   */
  changes(request: ChangesRequest): Promise<AsyncIterable<readonly Change[]>>;
  /** @returns how to stop listening */
  onEvent(listener: (event: ServiceEvent) => void): () => void;

  health(): Promise<Health>;
  /** The leader's picture, which knows all members; this node's own while the leader is silent. */
  clusterHealth(): Promise<Health>;
  checks(names?: readonly CheckName[]): Promise<readonly CheckResult[]>;
  /** Brings the gauges up to date; call before metrics are read. */
  refreshMetrics(): Promise<void>;

  /** Since the start. */
  history(): readonly HistoryEntry[];
  /** What befell this node's role, also before the start, as its mode keeps it; oldest first. */
  failovers(): Promise<JsonValue>;
  /** Last entry applied here, and the last one that a power cut cannot take from the storage. */
  walPosition(): Promise<{ readonly applied: Position; readonly durable: Position }>;
  /**
   * Replicas that nobody can have compared now count as not equal, with the reason.
   * @throws ReplicationError `CONFLICT` when the storage cannot, or writes never paused
   */
  verify(): Promise<VerifyReport>;
  /** A consistent copy of everything; the caller closes it. */
  snapshot(): Promise<SnapshotReader>;
  /** @throws ReplicationError `CONFLICT` when this mode has no such action */
  administer(action: AdminAction, args: { readonly [name: string]: JsonValue }): Promise<JsonValue>;

  /** Refuses what is new and ends streams; what is under way goes on. Idempotent. */
  close(): void;
}

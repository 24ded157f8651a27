import { type Awaitable, type JsonValue, NO_POSITION, type Position } from "../base/index.js";
import {
  type Health,
  READ_LEVELS,
  type ReadLevel,
  type Receipt,
  ReplicationError,
  type Replicator,
} from "../replication/index.js";
import type { Digest, SnapshotReader, StateMachine } from "../replication/ports/index.js";
import type { Clock, Logger, Metrics, Timers } from "../runtime/index.js";
import type {
  ConflictReads,
  EdgeQuery,
  GraphReader,
  NodeQuery,
  OperationResult,
} from "../storage/index.js";
import { edgeKey, encodeOperations, nodeKey, validateOperations } from "../storage/index.js";
import { Admission } from "./admission.js";
import { type AuthenticationPolicy, Authenticator } from "./authentication.js";
import { parseBookmark, toBookmark } from "./bookmark.js";
import { ChangeFeed } from "./change-feed.js";
import { conflictActions } from "./conflict-actions.js";
import { ConflictMeter } from "./conflict-meter.js";
import { EventFan } from "./event-fan.js";
import { CHECK_NAMES, type CheckName, runChecks } from "./health-checks.js";
import { History } from "./history.js";
import { countLeaderChanges } from "./leader-changes.js";
import { SERVICE_LIMITS, type ServiceLimits } from "./limits.js";
import { ReplicationGauges } from "./replication-gauges.js";
import { toRequestId } from "./request-id.js";
import type {
  AdminAction,
  AdminActions,
  ChangesRequest,
  ReadAnswer,
  ReadOptions,
  ReplicasReport,
  Service,
  ServiceEvent,
  VerifyReport,
  WriteAnswer,
  WriteOptions,
} from "./service.js";
import { WriteMeters } from "./write-meters.js";

/** What the service needs of a storage: its reads, its position, its digest. */
export type ServiceStorage = GraphReader &
  Pick<StateMachine, "getWALPosition" | "durablePosition" | "digest" | "snapshot"> & {
    /** The digest computed afresh from every row, not from what was kept while applying. */
    recomputeDigest?(): Awaitable<Digest>;
  } & Partial<ConflictReads>;

export interface ServiceParts {
  readonly replicator: Replicator;
  readonly storage: ServiceStorage;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly authentication: AuthenticationPolicy;
  /** The level of reads that name none. */
  readonly readLevel?: ReadLevel | undefined;
  readonly limits?: Partial<ServiceLimits> | undefined;
  /** Free bytes on the volume of the data, for the `disk` check. */
  readonly freeBytes?: (() => Awaitable<number>) | undefined;
  /** Takes the place of the storage's own snapshot. */
  readonly snapshot?: (() => Promise<SnapshotReader>) | undefined;
  /** What this mode can do beyond the common; the rest answers `CONFLICT`. */
  readonly adminActions?: AdminActions | undefined;
  /** Compares the replicas of all members; missing where there is one. */
  readonly verifyReplicas?: (() => Promise<ReplicasReport>) | undefined;
  /** What befell this node's role, kept over restarts, oldest first; missing where nothing is kept. */
  readonly failovers?: (() => Promise<JsonValue>) | undefined;
  /** The leader's own picture of itself and the others. */
  readonly leaderHealth?: (() => Promise<Health>) | undefined;
}

const VERIFY_TRIES_MAX = 5;

/** @returns the service of one node; it owns nothing it was handed */
export function createService(parts: ServiceParts): Service {
  return new NodeService(parts);
}

class NodeService implements Service {
  readonly admission: Admission;
  readonly authenticator: Authenticator;
  readonly limits: ServiceLimits;
  readonly nodeId: string;
  readonly #parts: ServiceParts;
  readonly #feed: ChangeFeed;
  readonly #history: History;
  readonly #fan: EventFan;
  readonly #gauges: ReplicationGauges;
  readonly #meters: WriteMeters;
  readonly #conflicts: ConflictMeter | undefined;
  readonly #adminActions: AdminActions;
  readonly #stopRecording: readonly (() => void)[];
  readonly #readLevel: ReadLevel;

  constructor(parts: ServiceParts) {
    const limits = { ...SERVICE_LIMITS, ...parts.limits };
    this.limits = limits;
    this.#parts = parts;
    this.nodeId = parts.replicator.nodeId();
    this.admission = new Admission({
      requestsMax: limits.requestsInFlightMax,
      bytesMax: limits.bytesInFlightMax,
    });
    this.authenticator = new Authenticator(parts.authentication, parts.clock);
    this.#feed = new ChangeFeed(parts.storage, parts.timers, limits);
    this.#history = new History(limits.historyEventsMax);
    this.#fan = new EventFan(parts, limits);
    if (hasConflicts(parts.storage)) {
      this.#conflicts = new ConflictMeter(parts.storage, parts.metrics);
    }
    this.#gauges = new ReplicationGauges(parts.metrics);
    this.#meters = new WriteMeters(parts.metrics, parts.clock);
    this.#stopRecording = [
      this.#history.record(parts.replicator),
      countLeaderChanges(parts.replicator, parts.metrics),
    ];
    this.#readLevel = parts.readLevel ?? "ONE";
    const { storage, replicator } = parts;
    this.#adminActions = {
      ...(hasConflicts(storage) ? conflictActions(storage, replicator) : {}),
      ...parts.adminActions,
    };
  }

  async write(operations: unknown, options: WriteOptions = {}): Promise<WriteAnswer> {
    const startedMs = this.#meters.now();
    try {
      const receipt = await this.#apply(operations, options);
      this.#meters.acknowledged(startedMs, receipt.replayed);
      this.#feed.notify(receipt.index);
      return {
        results: receipt.result as unknown as readonly OperationResult[],
        receipt,
        bookmark: toBookmark(receipt),
      };
    } catch (error) {
      this.#meters.failed(error);
      throw error;
    }
  }

  getNode(id: string, options?: ReadOptions) {
    return this.#read({ ...options, key: nodeKey(id) }, (at) =>
      this.#parts.storage.getNode(id, at),
    );
  }

  getEdge(id: string, options?: ReadOptions) {
    return this.#read({ ...options, key: edgeKey(id) }, (at) =>
      this.#parts.storage.getEdge(id, at),
    );
  }

  findNodes(query: NodeQuery, options?: ReadOptions) {
    return this.#read(options, (at) => this.#parts.storage.findNodes(query, at));
  }

  findEdges(query: EdgeQuery, options?: ReadOptions) {
    return this.#read(options, (at) => this.#parts.storage.findEdges(query, at));
  }

  counts(options?: ReadOptions) {
    return this.#read(options, (at) => this.#parts.storage.counts(at));
  }

  indexes(options?: ReadOptions) {
    return this.#read(options, (at) => this.#parts.storage.indexes(at));
  }

  changes(request: ChangesRequest) {
    return this.#feed.open(request);
  }

  onEvent(listener: (event: ServiceEvent) => void): () => void {
    return this.#fan.add(listener);
  }

  health() {
    return this.#parts.replicator.health();
  }

  async clusterHealth(): Promise<Health> {
    const own = await this.health();
    const { leaderHealth, logger } = this.#parts;
    if (!leaderHealth || own.leaderId === null || own.leaderId === own.nodeId) return own;
    try {
      return await leaderHealth();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      logger.log("debug", "leader_silent", "The leader did not describe the cluster", { reason });
      return own;
    }
  }

  checks(names: readonly CheckName[] = CHECK_NAMES) {
    return runChecks(names, { ...this.#parts, limits: this.limits });
  }

  async refreshMetrics(): Promise<void> {
    this.#meters.publish();
    this.#gauges.set(await this.#parts.replicator.health());
    await this.#conflicts?.count();
  }

  history() {
    return this.#history.entries();
  }

  async failovers() {
    return (await this.#parts.failovers?.()) ?? [];
  }

  async walPosition(): Promise<{ applied: Position; durable: Position }> {
    const { storage } = this.#parts;
    return {
      applied: await storage.getWALPosition(),
      durable: await storage.durablePosition(),
    };
  }

  async verify(): Promise<VerifyReport> {
    // First: what differs from the other replicas is put right, the rows here among it.
    const replicas = await this.#verifyReplicas();
    const own = await this.#verifyRows();
    return replicas ? { ...own, equal: own.equal && replicas.equal, replicas } : own;
  }

  async #verifyReplicas(): Promise<ReplicasReport | undefined> {
    try {
      return await this.#parts.verifyReplicas?.();
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      return { equal: false, result: "unknown", reason: error.message };
    }
  }

  async #verifyRows(): Promise<VerifyReport> {
    const { storage, logger } = this.#parts;
    if (!storage.recomputeDigest) {
      throw new ReplicationError("CONFLICT", "this storage cannot recompute its digest");
    }
    for (let tries = 0; tries < VERIFY_TRIES_MAX; tries += 1) {
      const fresh = await storage.recomputeDigest();
      const kept = await storage.digest();
      if (fresh.position.index !== kept.position.index) continue;
      const differing = kept.shards.flatMap((sum, at) => (sum === fresh.shards[at] ? [] : [at]));
      if (differing.length > 0) {
        logger.log("error", "verify_mismatch", "The stored rows are not what was applied", {
          index: kept.position.index,
          shards: differing.length,
        });
      }
      const { position } = kept;
      return { equal: differing.length === 0, position, shards: kept.shards.length, differing };
    }
    throw new ReplicationError("CONFLICT", "writes went on during every comparison", {
      retryAfterMs: 1000,
      hint: "try again when there are fewer writes",
    });
  }

  snapshot() {
    return this.#parts.snapshot?.() ?? this.#parts.storage.snapshot();
  }

  async administer(
    action: AdminAction,
    args: { readonly [name: string]: JsonValue },
  ): Promise<JsonValue> {
    const run = this.#adminActions[action];
    if (run) return run(args);
    const mode = this.#parts.replicator.mode();
    throw new ReplicationError("CONFLICT", `mode ${mode} has no "${action}"`);
  }

  close(): void {
    this.admission.close();
    this.#feed.close();
    this.#fan.close();
    for (const stop of this.#stopRecording) stop();
  }

  async #apply(operations: unknown, options: WriteOptions): Promise<Receipt> {
    const command = encodeOperations(validateOperations(operations));
    const { timeoutMs, durability, signal } = options;
    const requestId = toRequestId(options.requestId);
    this.#checkTimeout(timeoutMs);
    const bytes = command.data.byteLength;
    this.admission.enter(bytes);
    try {
      return await this.#parts.replicator.apply(
        { type: command.type, data: command.data, requestId },
        { timeoutMs, durability, signal },
      );
    } finally {
      this.admission.leave(bytes);
    }
  }

  async #read<T>(
    options: ReadOptions & { readonly key?: string } = {},
    run: (at: Position) => Promise<T>,
  ): Promise<ReadAnswer<T>> {
    const level = options.level ?? this.#readLevel;
    if (!READ_LEVELS.includes(level)) {
      throw new ReplicationError("INVALID", "consistency: no such read level", {
        field: "consistency",
        hint: `the levels are ${READ_LEVELS.join(", ")}`,
      });
    }
    const after = options.after === undefined ? undefined : parseBookmark(options.after);
    this.#checkTimeout(options.timeoutMs);
    this.admission.enter(0);
    try {
      const at = await this.#parts.replicator.read(level, { ...options, after });
      try {
        return { value: await run(at), bookmark: toBookmark(at) };
      } catch (error) {
        const behind = error instanceof ReplicationError && error.code === "LAGGING";
        if (!behind || level !== "ONE" || after !== undefined) throw error;
        // On a full disk the log is ahead of what can be read. `ONE` promises what is here.
        const here = await this.#parts.storage.getWALPosition();
        return { value: await run(NO_POSITION), bookmark: toBookmark(here) };
      }
    } finally {
      this.admission.leave(0);
    }
  }

  #checkTimeout(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined || (timeoutMs > 0 && timeoutMs <= this.limits.timeoutMsMax)) return;
    throw new ReplicationError(
      "INVALID",
      `timeout: above 0 and up to ${this.limits.timeoutMsMax}`,
      {
        field: "timeout",
      },
    );
  }
}

function hasConflicts(storage: ServiceStorage): storage is ServiceStorage & ConflictReads {
  return storage.conflicts !== undefined;
}

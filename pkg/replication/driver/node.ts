import {
  closeInOrder,
  type Deferred,
  deferred,
  type LogIndex,
  type NodeId,
  type Position,
} from "../../base/index.js";
import type { Cancel, Clock, FileSystem, Logger, Metrics, Timers } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { ReplicationLimits } from "../limits.js";
import type { LogStore, StateMachine } from "../ports/index.js";
import type { Health, Mode, ReplicatorEvent } from "../replicator.js";
import { type Answer, Driver } from "./driver.js";
import type { Core, CoreView, NoteName, Proposal } from "./effects.js";

export interface NodeIdentity {
  readonly mode: Mode;
  readonly nodeId: NodeId;
  readonly clusterId: string;
}

export interface NodeParts<State> {
  readonly identity: NodeIdentity;
  readonly core: Core<State>;
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly fileSystem: FileSystem;
  /** The volume whose free space is watched. */
  readonly logDirectory: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits: ReplicationLimits;
  readonly listener: NodeListener;
}

export interface NodeListener {
  onAnswers(answers: readonly Answer[]): void;
  onEvent(event: ReplicatorEvent): void;
  onFailure(error: Error): void;
}

/**
 * One replication node on one thread: recovery, the driver, admission, and the housekeeping that
 * cuts the log and watches the disk. It owns the log and the state machine it was given.
 */
export class ReplicationNode<State> {
  readonly #parts: NodeParts<State>;
  readonly #driver: Driver<State>;
  readonly #ready: Deferred = deferred();
  #pendingCount = 0;
  #pendingBytes = 0;
  readonly #pendingSizes = new Map<number, number>();
  #drained: Deferred | undefined;
  #lastView: CoreView;
  #housekeeping: Cancel | undefined;
  #retry: Cancel | undefined;
  #compacting = false;
  #closing: Promise<void> | undefined;

  private constructor(parts: NodeParts<State>, applied: Position) {
    this.#parts = parts;
    const listener = {
      onAnswers: (answers: readonly Answer[]) => this.#onAnswers(answers),
      onNote: (event: NoteName, reason: string) => this.#onNote(event, reason),
      onStep: () => this.#onStep(),
      onFailure: (error: Error) => this.#onFailure(error),
    };
    this.#driver = new Driver(parts.core, { ...parts, listener }, applied);
    this.#lastView = this.#driver.view();
  }

  /**
   * Recovers: everything that survived in the log is made durable and applied, then the node
   * serves. Resolves when it does.
   * @throws ReplicationError `STORAGE_FAILED` when log and state machine do not fit together
   */
  static async start<State>(parts: NodeParts<State>): Promise<ReplicationNode<State>> {
    const applied = await parts.stateMachine.getWALPosition();
    checkFit(parts.log, applied);
    const node = new ReplicationNode(parts, applied);
    const { last, hardState } = parts.log;
    const behind = last.index - applied.index;
    if (behind > 0) {
      parts.logger.log("info", "replay_started", "Bringing the state machine up to the log", {
        entries: behind,
      });
    }
    node.#driver.input({ kind: "recovered", hard: hardState, last, applied });
    await node.#ready.promise;
    node.#scheduleHousekeeping();
    return node;
  }

  /** Takes writes; each is answered once, through the listener. */
  propose(proposals: readonly Proposal[]): void {
    const accepted: Proposal[] = [];
    const refused: Answer[] = [];
    for (const proposal of proposals) {
      const error = this.#admit(proposal);
      if (error === undefined) accepted.push(proposal);
      else refused.push({ ticket: proposal.ticket, refused: error });
    }
    if (refused.length > 0) this.#parts.listener.onAnswers(refused);
    if (accepted.length > 0) this.#driver.propose(accepted);
  }

  #admit(proposal: Proposal): ReplicationError | undefined {
    const { pendingProposalsMax, pendingBytesMax, commandBytesMax, applyRetryMs } =
      this.#parts.limits;
    const bytes = proposal.payload.byteLength;
    const failure = this.#driver.failure;
    if (failure !== undefined) {
      return new ReplicationError("STORAGE_FAILED", `this node has failed: ${failure.message}`);
    }
    if (bytes > commandBytesMax) {
      return new ReplicationError(
        "TOO_LARGE",
        `the command has ${bytes} bytes; the most is ${commandBytesMax}`,
      );
    }
    if (this.#pendingCount >= pendingProposalsMax || this.#pendingBytes + bytes > pendingBytesMax) {
      return new ReplicationError(
        "OVERLOADED",
        `${this.#pendingCount} writes are waiting already`,
        {
          retryAfterMs: applyRetryMs,
        },
      );
    }
    this.#pendingCount += 1;
    this.#pendingBytes += bytes;
    this.#pendingSizes.set(proposal.ticket, bytes);
    return undefined;
  }

  #onAnswers(answers: readonly Answer[]): void {
    for (const { ticket } of answers) {
      this.#pendingCount -= 1;
      this.#pendingBytes -= this.#pendingSizes.get(ticket) ?? 0;
      this.#pendingSizes.delete(ticket);
    }
    this.#parts.listener.onAnswers(answers);
    if (this.#pendingCount === 0) this.#drained?.resolve();
  }

  #onNote(event: NoteName, reason: string): void {
    const level = event === "writes_refused" ? "warn" : "info";
    this.#parts.logger.log(level, event, NOTE_TEXT[event], {
      reason,
      term: this.#driver.view().term,
    });
  }

  #onStep(): void {
    const before = this.#lastView;
    const view = this.#driver.view();
    this.#lastView = view;
    if (view.state !== "starting") this.#ready.resolve();
    if (view.state === before.state && view.role === before.role && view.reason === before.reason) {
      return;
    }
    const at = this.#parts.clock.wallMs();
    this.#parts.listener.onEvent({ kind: "state", state: view.state, reason: view.reason, at });
    if (view.state === "read_only" || before.state === "read_only") this.#scheduleRetry();
  }

  #onFailure(error: Error): void {
    this.#ready.reject(error);
    this.#drained?.resolve();
    this.#parts.logger.log(
      "error",
      "node_failed",
      `The node has stopped: ${error.message}. Nothing more is acknowledged; restart it to recover from the log`,
    );
    const at = this.#parts.clock.wallMs();
    this.#parts.listener.onEvent({ kind: "state", state: "failed", reason: error.message, at });
    this.#parts.listener.onFailure(error);
  }

  #scheduleRetry(): void {
    this.#retry?.();
    this.#retry = undefined;
    if (this.#lastView.state !== "read_only" || this.#closing !== undefined) return;
    this.#retry = this.#parts.timers.after(this.#parts.limits.applyRetryMs, () => {
      this.#driver.input({ kind: "apply_retry" });
      this.#scheduleRetry();
    });
  }

  #scheduleHousekeeping(): void {
    const { timers, limits } = this.#parts;
    this.#housekeeping = timers.after(limits.housekeepingIntervalMs, () => {
      this.#watchDisk();
      void this.#compact();
      if (this.#closing === undefined) this.#scheduleHousekeeping();
    });
  }

  #watchDisk(): void {
    const { fileSystem, logDirectory, limits } = this.#parts;
    try {
      const low = fileSystem.freeBytes(logDirectory) < limits.freeBytesMin;
      this.#driver.input({ kind: "disk", low });
    } catch (error) {
      this.#parts.logger.log(
        "warn",
        "free_space_unknown",
        `Free space cannot be read: ${String(error)}`,
      );
    }
  }

  /** Drops the log's oldest segments once the state machine holds them durably (FC-039). */
  async #compact(): Promise<void> {
    if (this.#compacting || this.#driver.failure !== undefined) return;
    this.#compacting = true;
    const { log, stateMachine, limits } = this.#parts;
    try {
      await this.#driver.noticeFallback();
      const durable = await stateMachine.durablePosition();
      const upTo = durable.index - limits.trailingEntries;
      if (upTo - log.firstIndex >= limits.compactionThresholdEntries) {
        await log.truncatePrefix(upTo as LogIndex);
      }
    } catch (error) {
      this.#parts.logger.log("warn", "compaction_failed", `The log was not cut: ${String(error)}`);
    } finally {
      this.#compacting = false;
    }
  }

  /** @returns the position that a read at this node must see to miss no answered write */
  readPosition(): Position {
    return this.#driver.applied;
  }

  health(): Health {
    const { identity, log } = this.#parts;
    const view = this.#driver.view();
    const failed = this.#driver.failure;
    const lag = Math.max(0, view.commitIndex - view.appliedIndex);
    return {
      mode: identity.mode,
      nodeId: identity.nodeId,
      clusterId: identity.clusterId,
      role: view.role,
      isLeader: view.isLeader && failed === undefined,
      leaderId: view.isLeader ? identity.nodeId : null,
      leaderAddr: null,
      state: failed === undefined ? view.state : "failed",
      reason: failed === undefined ? view.reason : failed.message,
      healthy: failed === undefined && view.state === "ready",
      term: view.term,
      lastIndex: log.last.index,
      durableIndex: log.durableIndex,
      commitIndex: view.commitIndex,
      appliedIndex: view.appliedIndex,
      firstIndex: log.firstIndex,
      logBytes: log.sizeBytes,
      pendingProposals: this.#pendingCount,
      lagEntries: lag,
      lagMs: 0,
      region: null,
      peers: [],
    };
  }

  /**
   * Refuses new writes, waits for those under way (at most `drainTimeoutMs`), makes everything
   * durable and closes state machine and log. Writes without an answer by then stay unknown.
   */
  stop(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    const { timers, limits, stateMachine, log } = this.#parts;
    this.#driver.input({ kind: "stop" });
    this.#housekeeping?.();
    this.#retry?.();
    if (this.#pendingCount > 0 && this.#driver.failure === undefined) {
      this.#drained = deferred();
      const cancel = timers.after(limits.drainTimeoutMs, () => this.#drained?.resolve());
      await this.#drained.promise;
      cancel();
    }
    await closeInOrder([
      async () => {
        if (this.#driver.failure === undefined) await stateMachine.flush();
      },
      () => stateMachine.close(),
      () => log.close(),
    ]);
  }
}

const NOTE_TEXT: Record<NoteName, string> = {
  became_leader: "[replication] Accepting writes",
  writes_refused: "[replication] Refusing writes",
  writes_resumed: "[replication] Accepting writes again",
  stopping: "[replication] Stopping",
};

/** FC-017, FC-042: the two copies of the history must meet. */
function checkFit(log: LogStore, applied: Position): void {
  if (applied.index > log.last.index) {
    throw new ReplicationError(
      "STORAGE_FAILED",
      `the log ends at ${log.last.index}, but the storage is at ${applied.index}: the log was lost or put back from an old copy`,
      { hint: "restore both from one snapshot: nornicctl snapshot restore FILE" },
    );
  }
  if (applied.index + 1 < log.firstIndex) {
    throw new ReplicationError(
      "STORAGE_FAILED",
      `the log begins at ${log.firstIndex}, but the storage is at ${applied.index}: entries between them are gone`,
      { hint: "restore from a snapshot: nornicctl snapshot restore FILE" },
    );
  }
  const term = log.termAt(applied.index);
  if (applied.index > 0 && term !== undefined && term !== applied.term) {
    throw new ReplicationError(
      "STORAGE_FAILED",
      `entry ${applied.index} has term ${term} in the log and ${applied.term} in the storage: they are of different histories`,
      { hint: "restore both from one snapshot: nornicctl snapshot restore FILE" },
    );
  }
}

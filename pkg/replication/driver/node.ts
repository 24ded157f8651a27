import {
  closeInOrder,
  type Deferred,
  deferred,
  type JsonValue,
  type NodeId,
  type Position,
} from "../../base/index.js";
import type { Cancel, Clock, FileSystem, Logger, Metrics, Timers } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { ReplicationLimits } from "../limits.js";
import type { LogStore, StateMachine } from "../ports/index.js";
import type { Health, Mode as ModeName, ReplicatorEvent } from "../replicator.js";
import { checkFit } from "./check-fit.js";
import { Compaction } from "./compaction.js";
import { type Answer, Driver } from "./driver.js";
import type { CoreView, Proposal } from "./effects.js";
import type { Mode, Order } from "./mode.js";
import { NodeReads } from "./node-reads.js";
import type { ReadRequest } from "./waiting-reads.js";

export interface NodeIdentity {
  readonly mode: ModeName;
  readonly nodeId: NodeId;
  readonly clusterId: string;
}

type Kind = { readonly kind: string };

export interface NodeParts<State, I extends Kind, E extends Kind> {
  readonly identity: NodeIdentity;
  readonly mode: Mode<State, I, E>;
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
  onRead(ticket: number, outcome: Position | ReplicationError): void;
  onOrder(ticket: number, outcome: JsonValue | ReplicationError): void;
  onEvent(event: ReplicatorEvent): void;
  onFailure(error: Error): void;
}

/**
 * One replication node on one thread: recovery, the driver, admission, and the housekeeping that
 * cuts the log and watches the disk. It owns the log and the state machine it was given.
 */
export class ReplicationNode<State, I extends Kind, E extends Kind> {
  readonly #parts: NodeParts<State, I, E>;
  readonly #driver: Driver<State, I, E>;
  readonly #ready: Deferred = deferred();
  readonly #reads: NodeReads;
  readonly #compaction: Compaction;
  #pendingCount = 0;
  #pendingBytes = 0;
  readonly #pendingSizes = new Map<number, number>();
  #drained: Deferred | undefined;
  #lastView: CoreView;
  #housekeeping: Cancel | undefined;
  #retry: Cancel | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: NodeParts<State, I, E>, applied: Position) {
    this.#parts = parts;
    const { mode } = parts;
    this.#reads = new NodeReads({
      clock: parts.clock,
      pendingReadsMax: parts.limits.pendingReadsMax,
      view: () => this.#driver.view(),
      applied: () => this.#driver.applied,
      ask: (ticket, { level, key }) => mode.read(ticket, level, key),
      answer: (ticket, outcome) => parts.listener.onRead(ticket, outcome),
    });
    const listener = {
      onAnswers: (answers: readonly Answer[]) => this.#onAnswers(mode.answered(answers)),
      onNote: (event: string, reason: string) => this.#onNote(event, reason),
      onStep: () => this.#onStep(),
      onFailure: (error: Error) => this.#onFailure(error),
    };
    const carryOut = (effect: E) => mode.carryOut(effect);
    const atMarker = mode.atMarker?.bind(mode);
    this.#driver = new Driver(mode.core, { ...parts, listener, carryOut, atMarker }, applied);
    this.#lastView = this.#driver.view();
    this.#compaction = new Compaction({
      ...parts,
      beforeCut: (upTo) => mode.beforeCut(upTo),
      cut: (base) => mode.cut(base),
      noticeFallback: () => this.#driver.noticeFallback(),
    });
    mode.bind({
      input: (input) => this.#driver.input(input),
      state: () => this.#driver.state,
      view: () => this.#driver.view(),
      applied: () => this.#driver.applied,
      health: () => this.health(),
      restored: (position) => this.#driver.restored(position),
      exclusively: (body) => this.#driver.exclusively(body),
      answer: (answers) => this.#onAnswers(answers),
      settleRead: (ticket, outcome) => this.#reads.settled(ticket, outcome),
      settleOrder: (ticket, outcome) => parts.listener.onOrder(ticket, outcome),
      tell: (event) => parts.listener.onEvent(event),
      fail: (error) => this.#driver.fail(error),
    });
  }

  /**
   * Recovers: everything that survived in the log is made durable and, as far as it is committed,
   * applied; then the node serves. Resolves when it does.
   * @throws ReplicationError `STORAGE_FAILED` when log and state machine do not fit together
   */
  static async start<State, I extends Kind, E extends Kind>(
    parts: NodeParts<State, I, E>,
  ): Promise<ReplicationNode<State, I, E>> {
    const { log, mode, logger, stateMachine } = parts;
    const applied = await stateMachine.getWALPosition();
    checkFit(log, applied);
    const node = new ReplicationNode(parts, applied);
    const behind = log.last.index - applied.index;
    if (behind > 0) {
      logger.log("info", "replay_started", "Bringing the state machine up to the log", {
        entries: behind,
      });
    }
    node.#driver.input(mode.recovered(applied));
    await node.#ready.promise;
    await mode.started();
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
    if (accepted.length > 0) this.#parts.mode.propose(accepted);
  }

  /** Answered through the listener with a position that the read must see and this node has. */
  read(ticket: number, request: ReadRequest): void {
    const failure = this.#failureError();
    if (failure !== undefined) this.#parts.listener.onRead(ticket, failure);
    else this.#reads.begin(ticket, request);
  }

  /** Answered through the listener. */
  order(ticket: number, order: Order): void {
    const failure = this.#failureError();
    if (failure !== undefined) this.#parts.listener.onOrder(ticket, failure);
    else if (order.action === "compact") void this.#compact(ticket);
    else this.#parts.mode.order(ticket, order);
  }

  async #compact(ticket: number): Promise<void> {
    const { listener, log } = this.#parts;
    try {
      const { index, term } = await this.#compaction.now();
      listener.onOrder(ticket, { index, term, first_index: log.firstIndex });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `the log was not cut: ${reason}`;
      listener.onOrder(ticket, new ReplicationError("STORAGE_FAILED", message));
    }
  }

  #failureError(): ReplicationError | undefined {
    const { failure } = this.#driver;
    if (failure === undefined) return undefined;
    return new ReplicationError("STORAGE_FAILED", `this node has failed: ${failure.message}`);
  }

  #admit(proposal: Proposal): ReplicationError | undefined {
    const { pendingProposalsMax, pendingBytesMax, commandBytesMax, applyRetryMs } =
      this.#parts.limits;
    const bytes = proposal.payload.byteLength;
    const failure = this.#failureError();
    if (failure !== undefined) return failure;
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
    if (answers.length === 0) return;
    for (const { ticket } of answers) {
      this.#pendingCount -= 1;
      this.#pendingBytes -= this.#pendingSizes.get(ticket) ?? 0;
      this.#pendingSizes.delete(ticket);
    }
    this.#parts.listener.onAnswers(answers);
    if (this.#pendingCount === 0) this.#drained?.resolve();
  }

  #onNote(event: string, reason: string): void {
    const { level, text } = this.#parts.mode.describe(event);
    this.#parts.logger.log(level, event, text, { reason, term: this.#driver.view().term });
    this.#parts.mode.noted?.(event, reason);
  }

  #onStep(): void {
    const before = this.#lastView;
    const view = this.#driver.view();
    this.#lastView = view;
    if (view.state !== "starting") this.#ready.resolve();
    this.#parts.mode.stepped?.();
    this.#reads.release();
    const { listener, clock } = this.#parts;
    const leaderId = this.#leaderOf(view);
    const { term } = view;
    const isNews = view.isLeader !== before.isLeader || term !== before.term;
    if (isNews || leaderId !== this.#leaderOf(before)) {
      listener.onEvent({ kind: "leader", leaderId, term, at: clock.wallMs() });
    }
    if (view.role !== before.role) {
      listener.onEvent({ kind: "role", role: view.role, term, at: clock.wallMs() });
    }
    if (view.state === before.state && view.reason === before.reason) return;
    listener.onEvent({ kind: "state", state: view.state, reason: view.reason, at: clock.wallMs() });
    if (view.state === "read_only" || before.state === "read_only") this.#scheduleRetry();
  }

  #leaderOf(view: CoreView): NodeId | null {
    return view.isLeader ? this.#parts.identity.nodeId : (view.leaderId ?? null);
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
      this.#reads.expire();
      if (this.#driver.failure === undefined) void this.#compaction.tend();
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

  health(): Health {
    const { identity, log, mode } = this.#parts;
    const view = this.#driver.view();
    const failed = this.#driver.failure;
    const lag = Math.max(0, view.commitIndex - view.appliedIndex);
    const leaderId = this.#leaderOf(view);
    const obstacle = failed?.message ?? view.reason;
    return {
      mode: identity.mode,
      nodeId: identity.nodeId,
      clusterId: identity.clusterId,
      role: view.role,
      isLeader: view.isLeader && failed === undefined,
      leaderId,
      state: failed === undefined ? view.state : "failed",
      reason: obstacle ?? (leaderId === null ? "no leader is known" : null),
      healthy: failed === undefined && view.state === "ready" && leaderId !== null,
      term: view.term,
      lastIndex: log.last.index,
      durableIndex: log.durableIndex,
      commitIndex: view.commitIndex,
      appliedIndex: view.appliedIndex,
      firstIndex: log.firstIndex,
      logBytes: log.sizeBytes,
      pendingProposals: this.#pendingCount,
      lagEntries: lag,
      region: null,
      ...mode.health(),
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
    const { timers, limits, stateMachine, log, mode } = this.#parts;
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
      () => mode.leaving(),
      () => mode.close(),
      async () => this.#driver.end(),
      () => this.#compaction.end(),
      async () => {
        if (this.#driver.failure === undefined) await stateMachine.flush();
      },
      () => stateMachine.close(),
      () => log.close(),
    ]);
  }
}

import {
  type Deferred,
  deferred,
  invariant,
  type JsonValue,
  type NodeId,
  type Position,
  type RequestId,
  type Term,
  unreachable,
} from "../../base/index.js";
import type { Clock, Timers } from "../../runtime/index.js";
import type { Command } from "../command.js";
import type { Order } from "../driver/mode.js";
import { type ErrorData, fromErrorData, ReplicationError } from "../errors.js";
import type { ReplicationLimits } from "../limits.js";
import { PayloadPacker, toTimestamp } from "../payload.js";
import type {
  ApplyOptions,
  Health,
  Mode,
  ReadLevel,
  ReadOptions,
  Receipt,
  Replicator,
  ReplicatorEvent,
  WriteOptions,
} from "../replicator.js";
import { changedHealth } from "./changed-health.js";
import type { AnswerData, FromNode, NodeChannel, OpenChannel, ToNode } from "./channel.js";
import { durabilityRefusal } from "./durability.js";
import { PendingWrites } from "./pending-writes.js";

export interface ClientParts {
  readonly mode: Mode;
  /** Null: known once the node has started. */
  readonly nodeId: NodeId | null;
  readonly open: OpenChannel;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly createRequestId: () => RequestId;
  readonly limits: ReplicationLimits;
  /** Of a read at `ONE` that names none; null or missing: any. */
  readonly maxLagEntries?: number | null;
}

/** Beyond the time for writes under way: to make all durable and close. */
const STOP_EXTRA_MS = 3_000;

type Asked = Position | Health | JsonValue;

/** The application's end of a node: packs writes, matches answers, keeps deadlines. */
export class ReplicatorClient implements Replicator {
  readonly #parts: ClientParts;
  readonly #pending: PendingWrites;
  readonly #asked = new Map<number, Deferred<Asked>>();
  readonly #packer = new PayloadPacker();
  readonly #listeners = new Set<(event: ReplicatorEvent) => void>();
  readonly #started = deferred();
  readonly #stopped = deferred();
  #channel: NodeChannel | undefined;
  #firstPacked = 0;
  #nextTicket = 1;
  #flushing = false;
  #phase: "new" | "starting" | "open" | "closing" | "closed" = "new";
  #failure: ReplicationError | undefined;
  #health: Health | undefined;
  #stamp = { atMs: -1, text: "" };
  #closing: Promise<void> | undefined;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.#pending = new PendingWrites(parts.clock, parts.timers);
    this.#stopped.promise.catch(() => {});
    this.#started.promise.catch(() => {});
  }

  mode(): Mode {
    return this.#parts.mode;
  }

  /** @throws ReplicationError `NO_LEADER` for an id that is only made or read at the start */
  nodeId(): NodeId {
    const id = this.#health?.nodeId ?? this.#parts.nodeId;
    if (id === null) throw new ReplicationError("NO_LEADER", "the node has no id before it starts");
    return id;
  }

  isLeader(): boolean {
    return (
      this.#phase === "open" && this.#failure === undefined && (this.#health?.isLeader ?? false)
    );
  }

  leaderId(): NodeId | null {
    return this.#health?.leaderId ?? null;
  }

  leaderAddr(): string | null {
    return this.#health?.leaderAddr ?? null;
  }

  start(): Promise<void> {
    if (this.#phase !== "new") return this.#started.promise;
    this.#phase = "starting";
    this.#channel = this.#parts.open((message) => this.#deliver(message));
    return this.#started.promise;
  }

  apply(command: Command, options: WriteOptions = {}): Promise<Receipt> {
    const { durability } = options;
    const refusal =
      this.#refusal() ?? (durability && durabilityRefusal(this.#parts.mode, durability));
    if (refusal !== undefined) return Promise.reject(refusal);
    if (options.signal?.aborted === true) {
      return Promise.reject(
        new ReplicationError("INVALID", "the signal was aborted before the call"),
      );
    }
    if (this.#packer.count === 0) this.#firstPacked = this.#nextTicket;
    const ticket = this.#nextTicket;
    this.#nextTicket += 1;
    const requestId = command.requestId ?? this.#parts.createRequestId();
    this.#packer.add(command.type, command.data, this.#timestamp(), requestId, durability);
    this.#flushSoon();
    const timeoutMs = options.timeoutMs || this.#parts.limits.commitTimeoutMs;
    return this.#pending.wait(ticket, timeoutMs, options.signal);
  }

  applyBatch(
    commands: readonly Command[],
    options: WriteOptions = {},
  ): Promise<readonly PromiseSettledResult<Receipt>[]> {
    return Promise.allSettled(commands.map((command) => this.apply(command, options)));
  }

  #refusal(): ReplicationError | undefined {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#phase === "new" || this.#phase === "starting") {
      return new ReplicationError("NO_LEADER", "the node has not started yet", {
        retryAfterMs: 500,
      });
    }
    if (this.#phase === "closing") {
      return new ReplicationError("SHUTTING_DOWN", "the node is stopping");
    }
    if (this.#phase === "closed") return new ReplicationError("CLOSED", "the node was shut down");
    if (this.#pending.size >= this.#parts.limits.pendingProposalsMax) {
      return new ReplicationError(
        "OVERLOADED",
        `${this.#pending.size} writes are waiting already`,
        {
          retryAfterMs: this.#parts.limits.applyRetryMs,
        },
      );
    }
    return undefined;
  }

  /** The text is made once a millisecond. */
  #timestamp(): string {
    const nowMs = this.#parts.clock.wallMs();
    if (nowMs !== this.#stamp.atMs) {
      this.#stamp = { atMs: nowMs, text: toTimestamp(nowMs) };
    }
    return this.#stamp.text;
  }

  /** Writes of one turn of the event loop travel together. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#parts.timers.soon(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#packer.count === 0) return;
    this.#channel?.send({
      kind: "propose",
      firstTicket: this.#firstPacked,
      packed: this.#packer.take(),
    });
  }

  async read(level: ReadLevel, options: ReadOptions = {}): Promise<Position> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#phase !== "open" && this.#phase !== "closing") throw this.#refusal();
    const after = options.after?.index ?? 0;
    // One node alone has answered every write itself: a read at any level must see those, no more.
    const seen = this.#pending.lastAnswered;
    if (this.#parts.mode === "standalone" && after <= seen.index) return seen;
    const timeoutMs = options.timeoutMs || this.#parts.limits.commitTimeoutMs;
    const maxLagEntries = options.maxLagEntries ?? this.#parts.maxLagEntries ?? null;
    const waitsFor = this.#parts.mode === "standalone" ? 0 : after;
    const { key } = options;
    const request = { level, after: waitsFor, maxLagEntries, timeoutMs, key };
    const read = (ticket: number): ToNode => ({ kind: "read", ticket, request });
    const reached = (await this.#ask(read, options)) as Position;
    if (after <= reached.index) return reached;
    throw new ReplicationError(
      "LAGGING",
      `the bookmark is at ${after}, this node at ${reached.index}`,
      {
        retryAfterMs: 100,
        hint: "the bookmark may be of another cluster or from before a restore",
      },
    );
  }

  /** Asks the node for an action of the admin API. */
  async order(action: string, args: Order["args"], options: ApplyOptions = {}): Promise<JsonValue> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#phase !== "open" && this.#phase !== "closing") throw this.#refusal();
    const order = (ticket: number): ToNode => ({ kind: "order", ticket, order: { action, args } });
    return (await this.#ask(order, options, "COMMIT_UNKNOWN")) as JsonValue;
  }

  async health(): Promise<Health> {
    const isOpen = this.#phase === "open" || this.#phase === "closing";
    if (isOpen && (this.#failure === undefined || this.#health === undefined)) {
      this.#health = (await this.#ask((ticket) => ({ kind: "health", ticket }), {})) as Health;
    }
    if (this.#health === undefined) {
      throw this.#refusal() ?? new ReplicationError("NO_LEADER", "the node has not started yet");
    }
    return this.#health;
  }

  /** The node's own metrics as plain data, to be merged with those of this thread. */
  async metrics(): Promise<object | undefined> {
    if (this.#phase !== "open" || this.#failure !== undefined) return undefined;
    return (await this.#ask((ticket) => ({ kind: "metrics", ticket }), {})) as object;
  }

  #ask(
    question: (ticket: number) => ToNode,
    options: ApplyOptions,
    late: "LAGGING" | "COMMIT_UNKNOWN" = "LAGGING",
  ): Promise<Asked> {
    const ticket = this.#nextTicket;
    this.#nextTicket += 1;
    const asked = deferred<Asked>();
    this.#asked.set(ticket, asked);
    const timeoutMs = options.timeoutMs || this.#parts.limits.commitTimeoutMs;
    const cancel = this.#parts.timers.after(timeoutMs, () => {
      asked.reject(new ReplicationError(late, `the node did not answer within ${timeoutMs} ms`));
    });
    this.#flush();
    this.#channel?.send(question(ticket));
    return asked.promise.finally(() => {
      cancel();
      this.#asked.delete(ticket);
    });
  }

  async waitForLeader(timeoutMs: number): Promise<NodeId> {
    const cancelled = deferred<NodeId>();
    const cancel = this.#parts.timers.after(timeoutMs, () =>
      cancelled.reject(new ReplicationError("NO_LEADER", `no leader within ${timeoutMs} ms`)),
    );
    const look = () => {
      const leader = this.#failure === undefined ? this.leaderId() : null;
      if (leader !== null) cancelled.resolve(leader);
    };
    const stop = this.onEvent(look);
    look();
    return cancelled.promise.finally(() => {
      cancel();
      stop();
    });
  }

  onEvent(listener: (event: ReplicatorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #deliver(message: FromNode): void {
    switch (message.kind) {
      case "started":
        this.#health = message.health;
        this.#phase = "open";
        this.#pending.lastAnswered = {
          index: message.health.appliedIndex,
          term: message.health.term,
        };
        this.#started.resolve();
        return;
      case "start_failed":
        this.#fail(message.error);
        this.#started.reject(this.#failure);
        return;
      case "answers":
        for (const answer of message.answers) this.#onAnswer(answer);
        return;
      case "position":
        this.#asked.get(message.ticket)?.resolve(message.position);
        return;
      case "health":
        this.#asked.get(message.ticket)?.resolve(message.health);
        return;
      case "metrics":
        this.#asked.get(message.ticket)?.resolve(message.metrics);
        return;
      case "ordered":
        this.#asked.get(message.ticket)?.resolve(message.result);
        return;
      case "refused":
        this.#asked.get(message.ticket)?.reject(fromErrorData(message.error));
        return;
      case "event":
        this.#onEvent(message.event);
        return;
      case "failed":
        this.#fail(message.error);
        return;
      case "stopped":
        if (message.error === undefined) this.#stopped.resolve();
        else this.#stopped.reject(fromErrorData(message.error));
        return;
      default:
        unreachable(message);
    }
  }

  #onAnswer(answer: AnswerData): void {
    if ("error" in answer) {
      this.#pending.reject(answer.ticket, fromErrorData(answer.error));
      return;
    }
    const { ticket, ...receipt } = answer;
    invariant(receipt.index > 0, "an answered write has a position");
    this.#pending.resolve(ticket, {
      index: receipt.index as Receipt["index"],
      term: receipt.term as Term,
      durability: receipt.durability,
      replayed: receipt.replayed,
      result: receipt.value,
    });
  }

  #onEvent(event: ReplicatorEvent): void {
    if (this.#health !== undefined) this.#health = changedHealth(this.#health, event);
    if (event.kind === "leader") void this.health().catch(() => {});
    for (const listener of this.#listeners) listener(event);
  }

  /** Writes under way may be in the log: nobody can say. */
  #fail(error: ErrorData): void {
    this.#failure ??= fromErrorData(error);
    const failure = this.#failure;
    this.#pending.abandon(`the node failed: ${failure.message}`);
    for (const asked of this.#asked.values()) asked.reject(failure);
  }

  shutdown(): Promise<void> {
    this.#closing ??= this.#shutdown();
    return this.#closing;
  }

  async #shutdown(): Promise<void> {
    if (this.#phase === "new") {
      this.#phase = "closed";
      return;
    }
    await this.#started.promise.catch(() => {});
    this.#phase = "closing";
    this.#flush();
    this.#channel?.send({ kind: "stop" });
    // A node on a disk that hangs may never say that it has stopped.
    const stopMs = this.#parts.limits.drainTimeoutMs + STOP_EXTRA_MS;
    const cancel = this.#parts.timers.after(stopMs, () =>
      this.#stopped.reject(
        new ReplicationError("STORAGE_FAILED", `not closed within ${stopMs} ms`),
      ),
    );
    try {
      await this.#stopped.promise;
    } finally {
      cancel();
      this.#phase = "closed";
      this.#pending.abandon("the node was shut down before it was answered");
      await this.#channel?.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

import { setMaxListeners } from "node:events";
import {
  BoundedQueue,
  type Deferred,
  deferred,
  InvariantViolation,
  type JsonValue,
  type LogIndex,
  type NodeId,
  type Position,
  type Term,
} from "../../base/index.js";
import type { Logger, Random, Timers } from "../../runtime/index.js";
import type { PeerConnection, SnapshotReader, StateMachine } from "../ports/index.js";
import { ChunkSource, type SourceChunk } from "./chunk-source.js";
import { checkSnapshotLimits, type SnapshotLimits, windowChunks } from "./core/limits.js";
import { chunkCount, type SnapshotOffer, type SnapshotRequest } from "./core/messages.js";
import {
  assertSender,
  newSender,
  type SenderEffect,
  type SenderFailure,
  type SenderInput,
  type SenderOutcome,
  type SenderState,
  type SentMessage,
  stepSender,
} from "./core/sender.js";
import { replyFromPeer, requestToPeer } from "./wire.js";

export interface SnapshotSenderParts {
  readonly nodeId: NodeId;
  readonly peer: NodeId;
  readonly connection: Pick<PeerConnection, "call">;
  readonly stateMachine: Pick<StateMachine, "snapshot">;
  /** The term, or epoch, under which this node may replace the peer's state. */
  readonly term: Term;
  /** To be taken even by a peer that has applied as much. */
  readonly force: boolean;
  /** The membership committed at that position; null when the mode has none. */
  configAt(position: Position): JsonValue;
  readonly random: Random;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: SnapshotLimits;
}

/** How a transfer ended. */
export type SnapshotSent =
  /** The peer's state is the copy's, durably. */
  | { readonly kind: "installed"; readonly position: Position }
  /** The peer has applied up to `index` without it. */
  | { readonly kind: "not_needed"; readonly index: LogIndex }
  /** The peer knows a higher term: this node does not lead any more. */
  | { readonly kind: "older_term"; readonly term: Term }
  | { readonly kind: "failed"; readonly reason: SenderFailure | "restarted_too_often" };

/** How far a transfer is, for people and for whoever keeps the log for the peer. */
export interface SenderProgress {
  /** Null while the copy is made. The log after it must be kept until the transfer ends. */
  readonly position: Position | null;
  readonly ackedBytes: number;
  readonly sizeBytes: number;
}

/**
 * Sends one copy of the state machine to one peer. Chunks travel as `bulk`, never more than a window
 * of them; what the peer has acknowledged is never sent again. The owner calls `tick`.
 */
export class SnapshotSender {
  /** Resolves once, when the transfer is over and the reader closed; never rejects. */
  readonly ended: Promise<SnapshotSent>;
  readonly #parts: SnapshotSenderParts;
  #attempt: Attempt | undefined;
  #aborted = false;

  private constructor(parts: SnapshotSenderParts) {
    checkSnapshotLimits(parts.limits);
    this.#parts = parts;
    this.ended = this.#run();
  }

  static start(parts: SnapshotSenderParts): SnapshotSender {
    return new SnapshotSender(parts);
  }

  tick(): void {
    this.#attempt?.input({ kind: "tick" });
  }

  /** Ends it as `failed`, reason `aborted`; the peer drops what it has. */
  abort(): void {
    this.#aborted = true;
    this.#attempt?.input({ kind: "abort" });
  }

  progress(): SenderProgress {
    return this.#attempt?.progress() ?? { position: null, ackedBytes: 0, sizeBytes: 0 };
  }

  async #run(): Promise<SnapshotSent> {
    const { peer, limits } = this.#parts;
    const logger = this.#parts.logger.child({ peer });
    for (let restarts = 0; restarts <= limits.restartsMax; restarts += 1) {
      const outcome = await this.#try(logger);
      if (outcome.kind !== "restart") return this.#logged(logger, outcome);
      logger.log("warn", "snapshot_restarted", "The peer needs a fresh copy from its beginning", {
        reason: outcome.reason,
      });
    }
    return this.#logged(logger, { kind: "failed", reason: "restarted_too_often" });
  }

  /** One copy, from the reader's opening to its closing. */
  async #try(logger: Logger): Promise<Ended> {
    let reader: SnapshotReader;
    try {
      reader = await this.#parts.stateMachine.snapshot();
    } catch (error) {
      return sourceFailed(logger, error);
    }
    const attempt = new Attempt(this.#parts, reader, logger);
    this.#attempt = attempt;
    try {
      attempt.input(this.#aborted ? { kind: "abort" } : { kind: "start" });
      const outcome = await attempt.outcome;
      return outcome.kind === "installed" ? { ...outcome, position: reader.position } : outcome;
    } finally {
      await attempt.close().catch((error) => sourceFailed(logger, error));
    }
  }

  #logged(logger: Logger, sent: SnapshotSent): SnapshotSent {
    const failed = sent.kind === "failed";
    const text = failed ? "A copy did not reach the peer" : "Sending a copy to the peer is over";
    logger.log(failed ? "warn" : "info", "snapshot_sent", text, {
      outcome: sent.kind,
      reason: failed ? sent.reason : undefined,
    });
    return sent;
  }
}

type Ended = SnapshotSent | Extract<SenderOutcome, { kind: "restart" }>;

function sourceFailed(logger: Logger, error: unknown): Ended {
  if (error instanceof InvariantViolation) throw error;
  const reason = error instanceof Error ? error.message : String(error);
  logger.log("warn", "snapshot_source_failed", `The copy cannot be read: ${reason}`);
  return { kind: "failed", reason: "source_failed" };
}

/** One offer: the pure sender, the chunks it holds, and the calls that are on their way. */
class Attempt {
  readonly #parts: SnapshotSenderParts;
  readonly #reader: SnapshotReader;
  readonly #logger: Logger;
  readonly #source: ChunkSource;
  readonly #offer: SnapshotOffer;
  readonly #chunks = new Map<number, SourceChunk>();
  readonly #outbox: BoundedQueue<Extract<SenderEffect, { kind: "send_chunk" }>>;
  readonly #calls = new AbortController();
  readonly #outcome: Deferred<SenderOutcome> = deferred();
  #loading: Promise<void> = Promise.resolve();
  #freed = 0;
  #state: SenderState;

  constructor(parts: SnapshotSenderParts, reader: SnapshotReader, logger: Logger) {
    const { position, sizeBytes } = reader;
    const { chunkBytes } = parts.limits;
    this.#parts = parts;
    this.#reader = reader;
    this.#logger = logger;
    this.#source = new ChunkSource(reader, chunkBytes);
    const nonce = Buffer.from(parts.random.bytes(8)).toString("hex");
    this.#offer = {
      id: `${parts.nodeId.slice(0, 64)}-${parts.term}-${position.index}-${nonce}`,
      term: parts.term,
      position,
      sizeBytes,
      chunkBytes,
      force: parts.force,
      config: parts.configAt(position),
    };
    this.#state = newSender(chunkCount(this.#offer), parts.limits);
    this.#outbox = new BoundedQueue(windowChunks(parts.limits));
    setMaxListeners(windowChunks(parts.limits) + 2, this.#calls.signal);
  }

  get outcome(): Promise<SenderOutcome> {
    return this.#outcome.promise;
  }

  progress(): SenderProgress {
    const { position, sizeBytes, chunkBytes } = this.#offer;
    const ackedBytes = Math.min(this.#state.acked * chunkBytes, sizeBytes);
    return { position, ackedBytes, sizeBytes };
  }

  input(input: SenderInput): void {
    const { state, effects } = stepSender(this.#state, input);
    assertSender(state);
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
  }

  /** Gives up what is on its way, and the copy. */
  async close(): Promise<void> {
    this.#outbox.drain();
    this.#calls.abort();
    this.#chunks.clear();
    await this.#loading;
    try {
      await this.#source.close();
    } finally {
      await this.#reader.close();
    }
  }

  #carryOut(effect: SenderEffect): void {
    const { id } = this.#offer;
    switch (effect.kind) {
      case "load":
        this.#loading = this.#load(effect.index);
        break;
      case "free":
        for (; this.#freed < effect.below; this.#freed += 1) this.#chunks.delete(this.#freed);
        break;
      case "send_offer":
        void this.#call(
          { round: effect.round, kind: "offer" },
          { kind: "offer", offer: this.#offer },
        );
        break;
      case "send_chunk":
        this.#outbox.push(effect);
        if (this.#outbox.length === 1) this.#sendSoon();
        break;
      case "send_finish": {
        const finish = { kind: "finish", id, sha256: this.#source.sha256() } as const;
        void this.#call({ round: effect.round, kind: "finish" }, finish);
        break;
      }
      case "send_abort":
        this.#sendAbort();
        break;
      default:
        this.#outcome.resolve(effect.outcome);
    }
  }

  async #load(index: number): Promise<void> {
    try {
      this.#chunks.set(index, await this.#source.next());
    } catch (error) {
      sourceFailed(this.#logger, error);
      this.input({ kind: "source_failed" });
      return;
    }
    this.input({ kind: "loaded", index });
  }

  /** One chunk in a turn of the loop: encoding a window at once would hold up everything else. */
  #sendSoon(): void {
    this.#parts.timers.soon(() => {
      const next = this.#outbox.shift();
      if (next === undefined) return;
      if (this.#outbox.length > 0) this.#sendSoon();
      this.#sendChunk(next.round, next.index);
    });
  }

  #sendChunk(round: number, index: number): void {
    const { id } = this.#offer;
    const to = { round, kind: "chunk" } as const;
    const chunk = this.#chunks.get(index);
    if (chunk !== undefined) void this.#call(to, { kind: "chunk", id, index, ...chunk });
    // It was acknowledged while it waited for its turn.
    else this.input({ kind: "reply", to, reply: { kind: "ack", id, next: this.#freed } });
  }

  #sendAbort(): void {
    const message = requestToPeer({ kind: "abort", id: this.#offer.id });
    const options = { timeoutMs: this.#parts.limits.callTimeoutMs, priority: "bulk" as const };
    this.#parts.connection.call(message, options).catch(() => {});
  }

  async #call(to: SentMessage, request: SnapshotRequest): Promise<void> {
    this.input(await this.#answer(to, request));
  }

  async #answer(to: SentMessage, request: SnapshotRequest): Promise<SenderInput> {
    const timeoutMs = this.#parts.limits.callTimeoutMs;
    const { signal } = this.#calls;
    try {
      const options = { timeoutMs, priority: "bulk" as const, signal };
      const answer = await this.#parts.connection.call(requestToPeer(request), options);
      const reply = replyFromPeer(answer);
      if (reply.id === this.#offer.id) return { kind: "reply", to, reply };
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
    }
    return { kind: "lost", to };
  }
}

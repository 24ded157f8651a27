import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  BoundedQueue,
  type Deferred,
  deferred,
  InvariantViolation,
  invariant,
  type LogIndex,
  type NodeId,
  type Term,
} from "../../base/index.js";
import type { FileSystem, Logger, LogLevel, Timers } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { PeerMessage } from "../ports/index.js";
import { checkSnapshotLimits, type SnapshotLimits } from "./core/limits.js";
import {
  chunkCount,
  chunkLength,
  type SnapshotOffer,
  type SnapshotReply,
  type SnapshotRequest,
} from "./core/messages.js";
import { stepReceiver } from "./core/receiver.js";
import {
  assertReceiver,
  newReceiver,
  type ReceiverEffect,
  type ReceiverInput,
  type ReceiverState,
} from "./core/receiver-state.js";
import { removeGently } from "./remove-gently.js";
import { StagedFile } from "./staged-file.js";
import { replyToPeer, requestFromPeer } from "./wire.js";

const FILE_NAME = "incoming.snapshot";
/** A staged file that is on its way out. */
const ASIDE_NAME = "discarded.snapshot";

/** A whole copy, proven and durable, that waits to be installed. */
export interface ReceivedSnapshot {
  readonly offer: SnapshotOffer;
  readonly from: NodeId;
  /** What the sender's `SnapshotReader.chunks` gave, for `StateMachine.restore`. */
  chunks(): AsyncIterable<Uint8Array>;
}

export interface SnapshotReceiverParts {
  /** A folder of its own on the volume of the state machine's files; made if missing. */
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: SnapshotLimits;
  /** The term, or epoch, that the node knows; see `raiseTerm`. */
  readonly term: Term;
  /** What the node has applied: older copies are refused unless they are forced. */
  applied(): LogIndex;
  /**
   * Decide, install or drop it, then call `installed` or `installFailed`; until then no other copy
   * is taken. Called again after a restart for a copy that was not finished with.
   */
  onReceived(snapshot: ReceivedSnapshot): void;
}

interface Arrived {
  readonly from: NodeId;
  readonly request: SnapshotRequest;
  readonly answer: Deferred<SnapshotReply>;
}

/** How far a transfer is, for people. */
export interface ReceiverProgress {
  readonly from: NodeId;
  readonly offer: SnapshotOffer;
  readonly phase: "receiving" | "verifying" | "installing";
  readonly durableBytes: number;
}

/**
 * Takes one copy at a time from other nodes: stages it on disk, proves it, hands it over. A copy
 * that was interrupted goes on where it is durable, also after a restart of this process.
 */
export class SnapshotReceiver {
  readonly #parts: SnapshotReceiverParts;
  readonly #path: string;
  #state: ReceiverState;
  #stage: StagedFile | undefined;
  /** Messages are handled one in a turn of the loop: disk and checksums take a while. */
  readonly #arrived: BoundedQueue<Arrived>;
  readonly #answers = new Map<number, Deferred<SnapshotReply>>();
  #lastTicket = 0;
  /** The message that is being handled: its chunk is written, its checksum compared. */
  #message: { readonly from: NodeId; readonly request: SnapshotRequest } | undefined;
  #discarded: Promise<void> = Promise.resolve();
  #shrinking: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(parts: SnapshotReceiverParts, path: string, stage: StagedFile | undefined) {
    this.#parts = parts;
    this.#path = path;
    this.#stage = stage;
    this.#state = newReceiver(parts.term, parts.limits);
    this.#arrived = new BoundedQueue(parts.limits.waitingMax);
  }

  /** Looks at what a process before this one left. Call `start` when `onReceived` may be called. */
  static async open(parts: SnapshotReceiverParts): Promise<SnapshotReceiver> {
    checkSnapshotLimits(parts.limits);
    const { fileSystem, directory, timers } = parts;
    await fileSystem.makeDirectory(directory);
    const path = join(directory, FILE_NAME);
    const pause = () => new Promise<void>((resolve) => void timers.soon(resolve));
    const stage = await StagedFile.open(fileSystem, path, pause);
    if (stage === undefined) await removeGently(fileSystem, path, timers);
    await removeGently(fileSystem, join(directory, ASIDE_NAME), timers);
    return new SnapshotReceiver(parts, path, stage);
  }

  /** Goes on with a copy that was staged before; may call `onReceived` before it returns. */
  start(): void {
    const stage = this.#stage;
    if (stage === undefined) return;
    const { offer, chunks, whole } = stage;
    this.#log("info", "snapshot_resumed", "A copy of another node was staged before", offer);
    this.#step({ kind: "recovered", offer, chunks, whole });
  }

  /**
   * Answers one message of type 28. The answer to a chunk waits until the chunk is durable.
   * @throws ReplicationError `INVALID` naming the field, `CLOSED`, `OVERLOADED`
   */
  async handle(from: NodeId, message: PeerMessage): Promise<PeerMessage> {
    return replyToPeer(await this.receive(from, requestFromPeer(message)));
  }

  /** @throws ReplicationError `CLOSED` | `OVERLOADED` */
  async receive(from: NodeId, request: SnapshotRequest): Promise<SnapshotReply> {
    if (this.#closed) throw closedError();
    const answer = deferred<SnapshotReply>();
    if (!this.#arrived.push({ from, request, answer })) {
      throw new ReplicationError("OVERLOADED", "too many messages of snapshots are waiting");
    }
    if (this.#arrived.length === 1) this.#handleSoon();
    return answer.promise;
  }

  #handleSoon(): void {
    this.#parts.timers.soon(() => {
      const arrived = this.#arrived.shift();
      if (arrived === undefined) return;
      this.#handle(arrived);
      if (this.#arrived.length > 0) this.#handleSoon();
    });
  }

  #handle({ from, request, answer }: Arrived): void {
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    this.#answers.set(ticket, answer);
    this.#message = { from, request };
    this.#step(this.#toInput(ticket, request));
    this.#message = undefined;
  }

  tick(): void {
    this.#step({ kind: "tick" });
  }

  /** The node has learned of a term: a transfer of an older one ends, unless it is whole. */
  raiseTerm(term: Term): void {
    this.#step({ kind: "term", term });
  }

  /**
   * The copy is in place, and so is whatever goes with it; durable, all of it. Resolves when the
   * staged file is durably gone: only then may the log lose what a second restore would need.
   */
  async installed(id: string): Promise<void> {
    this.#step({ kind: "installed", id });
    await this.#discarded;
  }

  /** The copy could not be installed, or is not wanted; its sender is told that it failed. */
  async installFailed(id: string): Promise<void> {
    this.#step({ kind: "install_failed", id });
    await this.#discarded;
  }

  progress(): ReceiverProgress | null {
    const { transfer } = this.#state;
    if (transfer === null || this.#stage === undefined) return null;
    const { offer, phase, durable } = transfer;
    const durableBytes = Math.min(durable * offer.chunkBytes, offer.sizeBytes);
    return { from: this.#stage.from, offer, phase, durableBytes };
  }

  /** Keeps what is staged for the next start. Waiting messages are refused. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { answer } of this.#arrived.drain()) answer.reject(closedError());
    for (const answer of this.#answers.values()) answer.reject(closedError());
    this.#answers.clear();
    await this.#discarded.catch(() => {});
    await this.#shrinking;
    this.#stage?.close();
  }

  #toInput(ticket: number, request: SnapshotRequest): ReceiverInput {
    switch (request.kind) {
      case "offer": {
        const { offer } = request;
        const hasRoom = this.#hasRoom(offer);
        return { kind: "offer", ticket, offer, applied: this.#parts.applied(), hasRoom };
      }
      case "chunk": {
        const { id, index } = request;
        return { kind: "chunk", ticket, id, index, check: this.#check(request) };
      }
      default:
        return { kind: request.kind, ticket, id: request.id };
    }
  }

  #hasRoom(offer: SnapshotOffer): boolean {
    const { fileSystem, directory, limits } = this.#parts;
    const needed = offer.sizeBytes * limits.copiesMin;
    const staged =
      this.#stage === undefined ? 0 : this.#stage.chunks * this.#stage.offer.chunkBytes;
    return fileSystem.freeBytes(directory) + staged >= needed;
  }

  /** Only the chunk that is next in line is looked at. */
  #check(request: Extract<SnapshotRequest, { kind: "chunk" }>): "intact" | "corrupt" | "foreign" {
    const { index, bytes, crc, sum } = request;
    const transfer = this.#state.transfer;
    const stage = this.#stage;
    if (stage === undefined || transfer?.offer.id !== request.id) return "intact";
    if (index !== transfer.written || index >= chunkCount(transfer.offer)) return "intact";
    if (bytes.length !== chunkLength(transfer.offer, index) || crc32(bytes) !== crc)
      return "corrupt";
    return crc32(bytes, stage.sum) === sum ? "intact" : "foreign";
  }

  #step(input: ReceiverInput): void {
    if (this.#closed) return;
    const { state, effects } = stepReceiver(this.#state, input);
    assertReceiver(state);
    this.#state = state;
    for (const effect of effects) {
      try {
        this.#carryOut(effect);
      } catch (error) {
        this.#onStageError(error);
        return;
      }
    }
  }

  #carryOut(effect: ReceiverEffect): void {
    switch (effect.kind) {
      case "begin":
        this.#begin(effect.offer);
        break;
      case "write":
        if (this.#message?.request.kind === "chunk")
          this.#stage?.write(this.#message.request.bytes);
        break;
      case "sync":
        void this.#sync(effect.id, effect.chunks);
        break;
      case "verify":
        void this.#verify(effect.id);
        break;
      case "received":
        this.#received(effect.offer);
        break;
      case "discard":
        this.#discard(effect.reason);
        break;
      default:
        this.#answers.get(effect.ticket)?.resolve(effect.reply);
        this.#answers.delete(effect.ticket);
    }
  }

  #begin(offer: SnapshotOffer): void {
    const from = this.#message?.from;
    invariant(from !== undefined, "an offer has a sender");
    this.#log("info", "snapshot_receiving", "Another node sends a copy of its state", offer);
    this.#stage = StagedFile.create(this.#parts.fileSystem, this.#path, { from, offer });
  }

  async #sync(id: string, chunks: number): Promise<void> {
    const stage = this.#stage;
    try {
      await stage?.sync();
      this.#step({ kind: "synced", id, chunks });
    } catch (error) {
      if (stage === this.#stage) this.#onStageError(error);
    }
  }

  async #verify(id: string): Promise<void> {
    const stage = this.#stage;
    const request = this.#message?.request;
    invariant(request?.kind === "finish" && stage !== undefined, "a copy is asked for its proof");
    try {
      const intact = stage.seal(request.sha256);
      if (intact) await stage.sync();
      this.#step({ kind: "verified", id, intact });
    } catch (error) {
      if (stage === this.#stage) this.#onStageError(error);
    }
  }

  #received(offer: SnapshotOffer): void {
    const stage = this.#stage;
    invariant(stage?.whole === true, "a received copy is staged");
    this.#log("info", "snapshot_received", "A copy of another node is whole", offer);
    this.#parts.onReceived({ offer, from: stage.from, chunks: () => stage.read() });
  }

  #discard(reason: string): void {
    const stage = this.#stage;
    this.#stage = undefined;
    if (stage !== undefined) {
      const level = reason === "installed" ? "info" : "warn";
      this.#log(level, "snapshot_discarded", `A staged copy was removed: ${reason}`, stage.offer);
      stage.close();
    }
    this.#discarded = this.#remove();
    this.#discarded.catch(() => {});
  }

  async #remove(): Promise<void> {
    const { fileSystem, directory, timers } = this.#parts;
    if (fileSystem.exists(this.#path)) {
      const aside = join(directory, ASIDE_NAME);
      fileSystem.rename(this.#path, aside);
      this.#shrinking = removeGently(fileSystem, aside, timers).catch(() => {});
    }
    await fileSystem.syncDirectory(directory);
  }

  /** The state machine and the log are as they were; the sender learns that it failed. */
  #onStageError(error: unknown): void {
    if (error instanceof InvariantViolation) throw error;
    const id = this.#state.transfer?.offer.id;
    if (this.#closed || id === undefined) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.logger.log("warn", "snapshot_stage_failed", `A copy cannot be staged: ${reason}`);
    this.#step({ kind: "stage_failed", id });
  }

  #log(level: LogLevel, event: string, message: string, offer: SnapshotOffer): void {
    const { term, position, sizeBytes } = offer;
    this.#parts.logger.log(level, event, message, { term, index: position.index, sizeBytes });
  }
}

function closedError(): ReplicationError {
  return new ReplicationError("CLOSED", "this node is closing");
}

import { expect } from "vitest";
import { deferred, invariant, type NodeId, toTerm } from "../../pkg/base/index.js";
import type { CallOptions, PeerMessage } from "../../pkg/replication/ports/index.js";
import {
  type ReceivedSnapshot,
  SNAPSHOT_LIMITS,
  type SnapshotLimits,
  SnapshotReceiver,
  SnapshotSender,
  type SnapshotSenderParts,
} from "../../pkg/replication/snapshot/index.js";
import type { LogFields, Logger } from "../../pkg/runtime/index.js";
import { createMemoryStorage, type MemoryStorage } from "../../pkg/storage/index.js";
import { decodeEnvelope, encodeFrame } from "../../pkg/transport/index.js";
import { Entries } from "../contract/entries.js";
import {
  type NodeTime,
  type SeededRandom,
  SimDisk,
  seededRandom,
  VirtualTime,
} from "../support/index.js";

export const LIMITS: SnapshotLimits = {
  ...SNAPSHOT_LIMITS,
  chunkBytes: 1_000,
  windowBytes: 8_000,
  callTimeoutMs: 1_000,
  stallTicksMax: 600,
};
export const DIRECTORY = "/data/incoming";
const TICK_MS = 100;
const LINK_MS = 2;
const EVENTS_MAX = 400_000;

/** What may happen to one message; the answer comes back as good as it left. */
export type Fault = (message: PeerMessage) => "lost" | "answer_lost" | PeerMessage;

/**
 * A node that sends copies of its state to a node that installs them, over a link that tests break,
 * onto a disk that tests break. Messages cross the real codec.
 */
export class SnapshotWorld {
  readonly time = new VirtualTime();
  readonly random: SeededRandom;
  readonly disk: SimDisk;
  readonly source: MemoryStorage = createMemoryStorage();
  target: MemoryStorage = createMemoryStorage();
  receiver: SnapshotReceiver | undefined;
  /** Handed over and not finished with, when `install` is off. */
  readonly received: ReceivedSnapshot[] = [];
  /** Indexes of the chunks that reached the receiver, in order. */
  readonly chunks: number[] = [];
  readonly ids = new Set<string>();
  readonly logged: string[] = [];
  flyingMax = 0;
  install = true;
  up = true;
  fault: Fault = (message) => message;
  /** The timers of the receiver's process, which end with it. */
  #process: NodeTime = this.time.clock();
  #flying = 0;
  #senders: SnapshotSender[] = [];

  constructor(seed = 1) {
    this.random = seededRandom(seed);
    this.disk = new SimDisk({ time: this.time, random: this.random.fork("disk") });
    this.disk.syncDelayMs = 3;
    this.#tick();
  }

  #tick(): void {
    this.time.after(TICK_MS, () => {
      this.receiver?.tick();
      for (const sender of this.#senders) sender.tick();
      this.#tick();
    });
  }

  get logger(): Logger {
    const log = (_: string, event: string, __: string, fields?: LogFields) => {
      this.logged.push(`${event} ${fields?.reason ?? fields?.outcome ?? ""}`.trim());
    };
    return { log, child: () => this.logger };
  }

  run<T>(promise: Promise<T>): Promise<T> {
    return this.time.run(promise, { ticksMax: EVENTS_MAX });
  }

  until(condition: () => boolean): Promise<void> {
    return this.time.runUntil(condition, { ticksMax: EVENTS_MAX });
  }

  /** Nodes of about a kilobyte each, so that a copy has about as many chunks. */
  async fill(nodes: number): Promise<void> {
    const entries = new Entries(this.source.getWALPosition().index);
    const text = (i: number) => `${i} `.repeat(200).slice(0, 900);
    const batch = Array.from({ length: nodes }, (_, i) =>
      entries.command([{ op: "put_node", id: `n${i}`, labels: [], properties: { text: text(i) } }]),
    );
    this.source.applyBatch(batch);
  }

  async open(limits: Partial<SnapshotLimits> = {}): Promise<void> {
    this.#process = this.time.clock();
    const opening = SnapshotReceiver.open({
      directory: DIRECTORY,
      fileSystem: this.disk,
      timers: this.#process,
      logger: this.logger,
      limits: { ...LIMITS, ...limits },
      term: toTerm(1),
      applied: () => this.target.getWALPosition().index,
      onReceived: (snapshot) => this.#onReceived(snapshot),
    });
    this.receiver = await this.run(opening);
    this.receiver.start();
  }

  #onReceived(snapshot: ReceivedSnapshot): void {
    if (this.install) void this.finish(snapshot);
    else this.received.push(snapshot);
  }

  async finish(snapshot: ReceivedSnapshot): Promise<void> {
    const { id } = snapshot.offer;
    const { receiver } = this;
    try {
      await this.target.restore(snapshot.chunks());
    } catch (error) {
      this.logged.push(`install failed ${(error as { code?: string }).code}`);
      await receiver?.installFailed(id);
      return;
    }
    await receiver?.installed(id).catch((error: Error) => this.logged.push(error.message));
  }

  /** The process of the receiver ends, by a power cut or not; the target's state survives. */
  crash(power: boolean): void {
    this.receiver = undefined;
    this.#process.halt();
    if (power) this.disk.crash();
    else this.disk.kill();
  }

  send(more: Partial<SnapshotSenderParts> = {}): SnapshotSender {
    const sender = SnapshotSender.start({
      nodeId: "n1" as NodeId,
      peer: "n2" as NodeId,
      connection: { call: (message, options) => this.#call(message, options) },
      stateMachine: this.source,
      term: toTerm(1),
      force: false,
      configAt: ({ index }) => ({ index }),
      random: this.random.fork(`sender ${this.#senders.length}`),
      timers: this.time,
      logger: this.logger,
      limits: LIMITS,
      ...more,
    });
    this.#senders.push(sender);
    return sender;
  }

  async #call(message: PeerMessage, options: CallOptions): Promise<PeerMessage> {
    expect(options.priority).toBe("bulk");
    const isChunk = (message.payload as { kind?: string }).kind === "chunk";
    if (isChunk) this.#flying += 1;
    this.flyingMax = Math.max(this.flyingMax, this.#flying);
    try {
      return await this.#cross(message, options);
    } finally {
      if (isChunk) this.#flying -= 1;
    }
  }

  async #cross(message: PeerMessage, options: CallOptions): Promise<PeerMessage> {
    const { promise, resolve, reject } = deferred<PeerMessage>();
    const fail = () => reject(new Error("no answer"));
    const { signal } = options;
    signal?.addEventListener("abort", fail);
    const cancel = this.time.after(options.timeoutMs, fail);
    if (this.up) this.#transmit(message, { resolve, fail });
    else fail();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", fail);
      cancel();
    }
  }

  #transmit(
    message: PeerMessage,
    caller: { readonly resolve: (answer: PeerMessage) => void; readonly fail: () => void },
  ): void {
    const sent = this.fault(message);
    if (sent === "lost") return;
    const bytes = encodeFrame(sent === "answer_lost" ? message : sent);
    this.time.after(LINK_MS, () => {
      void this.#arrive(bytes).then((answer) => {
        if (sent === "answer_lost" || !this.up) return;
        this.time.after(LINK_MS, () => caller.resolve(answer));
      }, caller.fail);
    });
  }

  async #arrive(frame: Uint8Array): Promise<PeerMessage> {
    const { receiver } = this;
    if (receiver === undefined) throw new Error("down");
    const message = toMessage(frame);
    const { kind, index, id } = message.payload as { kind: string; index: number; id: string };
    if (kind === "chunk") this.chunks.push(index);
    this.ids.add(id);
    return toMessage(encodeFrame(await receiver.handle("n1" as NodeId, message)));
  }

  /** The target holds what the source holds. */
  expectEqual(): void {
    expect(this.target.digest()).toEqual(this.source.digest());
  }

  stagedFiles(): string[] {
    return this.disk.list(DIRECTORY);
  }
}

function toMessage(frame: Uint8Array): PeerMessage {
  const { type, payload } = decodeEnvelope(frame.subarray(4));
  invariant(payload !== undefined, "a message has a payload");
  return { type, payload };
}

import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import {
  closeInOrder,
  type Deferred,
  deferred,
  type LogIndex,
  NO_POSITION,
  type Position,
} from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import {
  type ComparableContent,
  type Digest,
  type Entry,
  type StateMachine,
  StateMachineError,
} from "../../replication/ports/index.js";
import type { Cancel, FileLock, Logger, Timers } from "../../runtime/index.js";
import { THREAD_LIMITS, WIDE_THREAD_LIMITS } from "../../runtime/node/index.js";
import type { DecodedCommand } from "../commands.js";
import type { Change, EdgeQuery, GraphNode, NodeQuery, OperationResult, Page } from "../graph.js";
import { OfflineWrites } from "../offline-writes.js";
import { checkApplied, notReadable } from "../queries.js";
import { connectStateMachine, type WriterPortSource } from "../threads/state-machine-port.js";
import { CallClient, serveCalls } from "../threads/thread-calls.js";
import { type Connection, openConnection } from "./connection.js";
import { SqliteReader } from "./sqlite-reader.js";
import type { SqliteStorage } from "./sqlite-storage.js";
import { threadModel } from "./thread-models.js";
import type {
  ReaderWorkerData,
  StoreSettings,
  WorkerLogLine,
  WriterWorkerData,
} from "./worker-messages.js";

/** Batches on their way to the writer or in it: while it applies one, the next is there already. */
const APPLY_AHEAD_MAX = 2;
/** A thread that has not opened the file after this long counts as one that cannot be made. */
const START_MS_MAX = 60_000;

export interface WorkerStorageOptions {
  readonly settings: StoreSettings;
  /** Held by this thread: one that a thread took would outlive it. Released by `close`. */
  readonly lock: FileLock;
  readonly logger: Logger;
  readonly timers: Timers | undefined;
  readonly onFailure: ((error: Error) => void) | undefined;
}

/**
 * Writing in one thread, scans in a second, copies and checkpoints in a third; point reads here,
 * on a connection that only reads.
 */
export class WorkerStorage extends OfflineWrites implements SqliteStorage, WriterPortSource {
  readonly path: string;
  readonly applyAheadMax = APPLY_AHEAD_MAX;
  readonly #options: WorkerStorageOptions;
  readonly #workers: readonly Worker[];
  readonly #control: CallClient;
  readonly #scans: CallClient;
  readonly #keeper: CallClient;
  readonly #ownerPort: MessagePort;
  readonly #machine: StateMachine;
  #readConnection: Connection | undefined;
  #reader: SqliteReader | undefined;
  #committed: Position = NO_POSITION;
  /** Offline writes are not told apart by position: the next read commits them. */
  #dirty = false;
  /** The commit that has been asked for and not begun; reads that come meanwhile share it. */
  #nextCommit: Promise<Position> | undefined;
  #lastCommit: Promise<unknown> = Promise.resolve();
  /** Settles when a restore has put its copy in place; nothing is read until then. */
  #suspension: Deferred<void> | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  protected constructor(options: WorkerStorageOptions) {
    super();
    this.#options = options;
    this.path = options.settings.path;
    const [control, owner, scans, keeper, copies] = Array.from(
      { length: 5 },
      () => new MessageChannel(),
    ) as [MessageChannel, MessageChannel, MessageChannel, MessageChannel, MessageChannel];
    const { settings } = options;
    this.#workers = [
      this.#start("writer", {
        settings,
        control: control.port2,
        owner: owner.port2,
        keeper: copies.port1,
      } satisfies WriterWorkerData),
      this.#start("reader", { settings, ports: [scans.port2] } satisfies ReaderWorkerData),
      this.#start("reader", {
        settings,
        ports: [keeper.port2, copies.port2],
      } satisfies ReaderWorkerData),
    ];
    this.#control = new CallClient(control.port1);
    this.#scans = new CallClient(scans.port1);
    this.#keeper = new CallClient(keeper.port1);
    this.#ownerPort = owner.port1;
    serveCalls(owner.port1, {
      suspend: () => this.#suspend(),
      resume: (position: Position) => {
        this.#committed = position;
        this.#suspension?.resolve();
        this.#suspension = undefined;
      },
    });
    this.#machine = connectStateMachine(this.writerPort(), APPLY_AHEAD_MAX);
  }

  static open(options: WorkerStorageOptions): Promise<WorkerStorage> {
    return new WorkerStorage(options).opened();
  }

  protected async opened(): Promise<this> {
    const giveUp = this.#limitStart();
    try {
      await this.#control.call("open", []);
      this.#committed = await this.#machine.getWALPosition();
      return this;
    } catch (error) {
      await this.#terminate();
      throw error;
    } finally {
      giveUp?.();
    }
  }

  writerPort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#control.call("connect", [port1], [port1]).catch(() => port2.close());
    return port2;
  }

  applyBatch(entries: readonly Entry[]) {
    return this.live().applyBatch(entries);
  }

  getWALPosition() {
    return this.live().getWALPosition();
  }

  durablePosition() {
    return this.live().durablePosition();
  }

  flush() {
    return this.live().flush();
  }

  digest() {
    return this.live().digest();
  }

  get content(): ComparableContent | undefined {
    return this.#machine.content;
  }

  async snapshot() {
    return this.live().snapshot();
  }

  async restore(chunks: AsyncIterable<Uint8Array>) {
    return this.live().restore(chunks);
  }

  async setWALPosition(position: Position): Promise<void> {
    this.live();
    await this.#control.call("setPosition", [position]);
    this.#dirty = true;
  }

  recomputeDigest(): Promise<Digest> {
    return this.scan("recompute");
  }

  async getNode(id: string, atLeast: Position) {
    return (await this.#readerAt(atLeast)).getNode(id);
  }

  async getEdge(id: string, atLeast: Position) {
    return (await this.#readerAt(atLeast)).getEdge(id);
  }

  async findNodes(query: NodeQuery, atLeast: Position): Promise<Page<GraphNode>> {
    const reader = await this.#readerAt(atLeast);
    if (reader.isScan(query)) return this.#scans.call("findNodes", [query]);
    return reader.findNodes(query);
  }

  async findEdges(query: EdgeQuery, atLeast: Position) {
    return (await this.#readerAt(atLeast)).findEdges(query);
  }

  async counts(atLeast: Position) {
    return (await this.#readerAt(atLeast)).counts();
  }

  async indexes(atLeast: Position) {
    return (await this.#readerAt(atLeast)).indexes();
  }

  changes(after: LogIndex, limit: number): Promise<readonly Change[]> {
    return this.scan("changes", after, limit);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  protected async writeOffline(command: DecodedCommand): Promise<OperationResult> {
    this.live();
    this.#dirty = true;
    return this.#control.call("write", [command]);
  }

  /** Asks the writing thread, which answers between two batches. */
  protected async askWriter<T>(method: string, ...question: readonly unknown[]): Promise<T> {
    this.live();
    return this.#control.call(method, question);
  }

  /** Asks the thread for long reads, once what is applied is committed. */
  protected async scan<T>(method: string, ...question: readonly unknown[]): Promise<T> {
    await this.#commit();
    return this.#scans.call(method, question);
  }

  async #readerAt(atLeast: Position): Promise<SqliteReader> {
    this.live();
    if (this.#dirty || atLeast.index > this.#committed.index) {
      const committed = await this.#commit().catch((error: unknown) => {
        throw notReadable(error, atLeast);
      });
      checkApplied(committed, atLeast);
    }
    await this.#suspension?.promise;
    this.#readConnection ??= openConnection(this.path, "read");
    this.#reader ??= new SqliteReader(
      this.#readConnection,
      this.#options.settings.identity.rememberedRequestsMax,
    );
    return this.#reader;
  }

  /** Commits what is applied at the time of the call; calls that wait for the same one share it. */
  #commit(): Promise<Position> {
    this.live();
    this.#nextCommit ??= this.#lastCommit
      .catch(() => {})
      .then(async () => {
        await this.#suspension?.promise;
        this.#nextCommit = undefined;
        this.#dirty = false;
        const committing = this.#control.call<Position>("commit", []);
        this.#lastCommit = committing;
        const committed = await committing;
        this.#committed = committed;
        return committed;
      });
    return this.#nextCommit;
  }

  /** The writing thread's end, unless the storage is closed or has failed. */
  protected live(): StateMachine {
    if (this.#closing !== undefined) throw new ReplicationError("CLOSED", "the storage is closed");
    if (this.#failure !== undefined) throw this.#failure;
    return this.#machine;
  }

  /** Lets go of the file everywhere but in the writer. */
  async #suspend(): Promise<void> {
    this.#suspension ??= deferred();
    this.#readConnection?.close();
    this.#readConnection = undefined;
    this.#reader = undefined;
    await Promise.all([this.#scans.call("release", []), this.#keeper.call("release", [])]);
  }

  async #close(): Promise<void> {
    await closeInOrder([
      () => void this.#readConnection?.close(),
      async () => {
        if (this.#failure !== undefined) return;
        await Promise.all([this.#scans.call("release", []), this.#keeper.call("release", [])]);
        await this.#control.call("close", []);
      },
      () => this.#terminate(),
      () => this.#options.lock.release(),
    ]);
  }

  async #terminate(): Promise<void> {
    this.#failure ??= new StateMachineError("STORAGE_FAILED", "the storage is closed");
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    for (const client of [this.#control, this.#scans, this.#keeper]) client.close();
    this.#ownerPort.close();
  }

  #start(program: "writer" | "reader", workerData: WriterWorkerData | ReaderWorkerData): Worker {
    const url = new URL(`./${program}-worker.js`, import.meta.url);
    const transferList =
      "ports" in workerData
        ? [...workerData.ports]
        : [workerData.control, workerData.owner, workerData.keeper];
    const name = `storage-${program}`;
    const isWide = program === "writer" && threadModel(this.#options.settings).hasLargeCommands;
    const worker = new Worker(url, {
      workerData,
      transferList,
      name,
      resourceLimits: isWide ? WIDE_THREAD_LIMITS : THREAD_LIMITS,
    });
    worker.on("message", (line: WorkerLogLine) => {
      this.#options.logger.log(line.level, line.event, line.message, line.fields);
    });
    worker.on("error", (error) => this.#onDeath(`${program} thread: ${error.message}`));
    worker.on("exit", (code) => this.#onDeath(`the ${program} thread ended with ${code}`));
    return worker;
  }

  /** FC-191: without one of its threads the storage is failed, and says so. */
  #onDeath(reason: string): void {
    if (this.#failure !== undefined || this.#closing !== undefined) return;
    const error = new StateMachineError("STORAGE_FAILED", reason);
    this.#failure = error;
    this.#suspension?.resolve();
    for (const client of [this.#control, this.#scans, this.#keeper]) client.fail(error);
    this.#options.logger.log("error", "storage_thread_lost", `[storage] ${reason}`);
    this.#options.onFailure?.(error);
  }

  #limitStart(): Cancel | undefined {
    return this.#options.timers?.after(START_MS_MAX, () =>
      this.#onDeath(`the threads did not start within ${START_MS_MAX} ms`),
    );
  }
}

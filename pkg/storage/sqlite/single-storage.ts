import { rmSync } from "node:fs";
import type { LogIndex, Position } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type {
  ApplyResult,
  ComparableContent,
  Digest,
  Entry,
  SnapshotReader,
} from "../../replication/ports/index.js";
import type { FileLock } from "../../runtime/index.js";
import type { DecodedCommand } from "../commands.js";
import type { EdgeQuery, NodeQuery } from "../graph.js";
import { OfflineWrites } from "../offline-writes.js";
import { checkApplied, notReadable } from "../queries.js";
import { type Connection, openConnection } from "./connection.js";
import { ContentView } from "./content-view.js";
import {
  checkSnapshot,
  copyDatabase,
  installSnapshot,
  openSnapshot,
  receiveSnapshot,
  restorePath,
  snapshotPath,
} from "./snapshot-file.js";
import { toStateMachineError } from "./sqlite-error.js";
import { SqliteReader } from "./sqlite-reader.js";
import type { SqliteStorage } from "./sqlite-storage.js";
import { SqliteWriter, type WriterOptions } from "./sqlite-writer.js";

/** Everything in the calling thread: for simulation, tests and small machines. */
export class SingleThreadStorage extends OfflineWrites implements SqliteStorage {
  readonly path: string;
  readonly content: ComparableContent;
  readonly #options: WriterOptions;
  readonly #lock: FileLock;
  #writer: SqliteWriter;
  #readConnection: Connection;
  #reader: SqliteReader;
  readonly #view: ContentView;
  #snapshots = 0;
  #closing: Promise<void> | undefined;

  constructor(options: WriterOptions, lock: FileLock) {
    super();
    this.#lock = lock;
    this.path = options.path;
    this.#options = options;
    this.#writer = new SqliteWriter(options);
    this.#readConnection = openConnection(options.path, "read");
    this.#reader = this.#newReader();
    const view = new ContentView(options.path, options.timers?.soon.bind(options.timers));
    this.#view = view;
    this.content = {
      fix: () => {
        this.#assertOpen();
        this.#writer.commit();
        return view.fix();
      },
      inspect: view.inspect.bind(view),
      release: () => view.close(),
      repair: (records) => this.#writer.repair(records),
    };
  }

  applyBatch(entries: readonly Entry[]): readonly ApplyResult[] {
    this.#assertOpen();
    return this.#writer.applyBatch(entries);
  }

  getWALPosition(): Position {
    return this.#writer.applied;
  }

  durablePosition(): Position {
    return this.#writer.durable;
  }

  async flush(): Promise<Position> {
    this.#assertOpen();
    return this.#writer.flush();
  }

  setWALPosition(position: Position): void {
    this.#assertOpen();
    this.#writer.setPosition(position);
  }

  digest(): Digest {
    return this.#writer.digest();
  }

  async recomputeDigest(): Promise<Digest> {
    this.#assertOpen();
    const position = this.#writer.commit();
    return { position, shards: this.#reader.recomputeShards() };
  }

  async snapshot(): Promise<SnapshotReader> {
    this.#assertOpen();
    this.#writer.commit();
    this.#snapshots += 1;
    const file = snapshotPath(this.path, this.#snapshots);
    try {
      return openSnapshot(file, copyDatabase(this.#readConnection, file));
    } catch (error) {
      rmSync(file, { force: true });
      throw toStateMachineError(error, file);
    }
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<Position> {
    this.#assertOpen();
    const file = restorePath(this.path);
    try {
      await receiveSnapshot(chunks, file);
      checkSnapshot(file, this.#options.identity);
      this.#view.close();
      this.#readConnection.close();
      await this.#writer.close({ discard: true });
      installSnapshot(file, this.path);
    } finally {
      rmSync(file, { force: true });
      if (!this.#readConnection.open) this.#reopen();
    }
    return this.#writer.applied;
  }

  async getNode(id: string, atLeast: Position) {
    return this.#readerAt(atLeast).getNode(id);
  }

  async getEdge(id: string, atLeast: Position) {
    return this.#readerAt(atLeast).getEdge(id);
  }

  async findNodes(query: NodeQuery, atLeast: Position) {
    return this.#readerAt(atLeast).findNodes(query);
  }

  async findEdges(query: EdgeQuery, atLeast: Position) {
    return this.#readerAt(atLeast).findEdges(query);
  }

  async counts(atLeast: Position) {
    return this.#readerAt(atLeast).counts();
  }

  async indexes(atLeast: Position) {
    return this.#readerAt(atLeast).indexes();
  }

  async changes(after: LogIndex, limit: number) {
    this.#assertOpen();
    this.#writer.commit();
    return this.#reader.changes(after, limit);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  protected writeOffline(command: DecodedCommand) {
    this.#assertOpen();
    return this.#writer.write(command);
  }

  async #close(): Promise<void> {
    try {
      this.#view.close();
      this.#readConnection.close();
      await this.#writer.close();
    } finally {
      this.#lock.release();
    }
  }

  #reopen(): void {
    this.#writer = new SqliteWriter(this.#options);
    this.#readConnection = openConnection(this.path, "read");
    this.#reader = this.#newReader();
  }

  #newReader(): SqliteReader {
    return new SqliteReader(this.#readConnection, this.#options.identity.rememberedRequestsMax);
  }

  /** A reader that sees `atLeast`; offline writes have no position, so they are always committed. */
  #readerAt(atLeast: Position): SqliteReader {
    this.#assertOpen();
    checkApplied(this.#writer.applied, atLeast);
    if (atLeast.index > this.#writer.committed.index || this.#writer.hasOfflineWrites) {
      try {
        this.#writer.commit();
      } catch (error) {
        throw notReadable(error, atLeast);
      }
    }
    return this.#reader;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ReplicationError("CLOSED", "the storage is closed");
  }
}

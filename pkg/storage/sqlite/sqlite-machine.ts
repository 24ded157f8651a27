import { rmSync } from "node:fs";
import type { LogIndex, Position } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type {
  ApplyResult,
  ComparableContent,
  Digest,
  Entry,
  RegionLog,
  SnapshotReader,
  StateMachine,
} from "../../replication/ports/index.js";
import type { FileLock } from "../../runtime/index.js";
import type { Change } from "../graph.js";
import { checkApplied, notReadable } from "../queries.js";
import type { Outcome, Prepared, StateRules } from "../state-engine.js";
import { type Connection, openConnection } from "./connection.js";
import { ContentView } from "./content-view.js";
import { latestRegionLog } from "./region-log.js";
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
import { readChanges } from "./sqlite-rows.js";
import { SqliteWriter, type WriterOptions } from "./sqlite-writer.js";

export interface MachineOptions<Rules extends StateRules, Reader> extends WriterOptions<Rules> {
  /** Released by `close`. */
  readonly lock: FileLock;
  /** @param connection - only reads, and sees what is committed */
  readonly newReader: (connection: Connection) => Reader;
}

/** A state machine in one SQLite file, everything in the calling thread. */
export class SqliteMachine<Rules extends StateRules, Reader> implements StateMachine {
  readonly path: string;
  readonly content: ComparableContent;
  readonly regions: RegionLog | undefined;
  readonly #options: MachineOptions<Rules, Reader>;
  #writer: SqliteWriter<Rules>;
  #readConnection: Connection;
  #reader: Reader;
  readonly #view: ContentView;
  #snapshots = 0;
  #closing: Promise<void> | undefined;

  constructor(options: MachineOptions<Rules, Reader>) {
    this.path = options.path;
    this.#options = options;
    this.#writer = new SqliteWriter(options);
    this.#readConnection = openConnection(options.path, "read");
    this.#reader = options.newReader(this.#readConnection);
    const { model, path, timers } = options;
    const view = new ContentView(model, path, timers?.soon.bind(timers));
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
    const regions = () => {
      this.#assertOpen();
      return this.#writer.regions;
    };
    this.regions = regions() && latestRegionLog(regions);
  }

  applyBatch(entries: readonly Entry[]): readonly ApplyResult[] {
    this.#assertOpen();
    return this.#writer.applyBatch(entries);
  }

  /** Those that apply now; a restore puts others in their place. */
  get rules(): Rules {
    this.#assertOpen();
    return this.#writer.rules;
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
      checkSnapshot(file, this.#options.identity, this.#options.model.growsFrom?.name);
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

  /**
   * Changes with an index above `after`, oldest first, at most `limit`.
   * @throws ReplicationError `COMPACTED` when changes after it are no longer kept
   */
  async readChanges<E>(after: LogIndex, limit: number): Promise<readonly Change<E>[]> {
    this.#assertOpen();
    this.#writer.commit();
    const { rememberedRequestsMax } = this.#options.identity;
    return readChanges<E>(this.#readConnection, rememberedRequestsMax, after, limit);
  }

  /** Writes without a log. */
  write(prepare: (rules: Rules, version: number) => Prepared): Outcome {
    this.#assertOpen();
    return this.#writer.write(prepare);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** A reader that sees everything applied, and where that is. */
  latest(): { readonly reader: Reader; readonly position: Position } {
    this.#assertOpen();
    const position = this.#writer.commit();
    return { reader: this.#reader, position };
  }

  /** A reader that sees `atLeast`; offline writes have no position, so they are always committed. */
  readerAt(atLeast: Position): Reader {
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

  async #close(): Promise<void> {
    try {
      this.#view.close();
      this.#readConnection.close();
      await this.#writer.close();
    } finally {
      this.#options.lock.release();
    }
  }

  #reopen(): void {
    this.#writer = new SqliteWriter(this.#options);
    this.#readConnection = openConnection(this.path, "read");
    this.#reader = this.#options.newReader(this.#readConnection);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ReplicationError("CLOSED", "the storage is closed");
  }
}

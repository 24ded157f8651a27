import { closeSync, fdatasyncSync, fsyncSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { NO_POSITION, type Position } from "../../base/index.js";
import {
  type ApplyResult,
  type ContentRecord,
  type Digest,
  type Entry,
  type RegionLog,
  StateMachineError,
} from "../../replication/ports/index.js";
import type { Cancel, Logger, Timers } from "../../runtime/index.js";
import { ownedByLog } from "../offline-writes.js";
import { type Outcome, type Prepared, StateEngine, type StateRules } from "../state-engine.js";
import { type Connection, openConnection } from "./connection.js";
import type { ModelStore, SqliteModel } from "./model.js";
import { prepareSchema, readState, type StoreIdentity, writeState } from "./schema.js";
import { toStateMachineError } from "./sqlite-error.js";
import { SqliteRows } from "./sqlite-rows.js";

export interface WriterOptions<Rules extends StateRules> {
  readonly model: SqliteModel<Rules>;
  readonly path: string;
  readonly identity: StoreIdentity;
  /** Without them every batch is committed at once, and made durable by `flush` alone. */
  readonly timers: Timers | undefined;
  readonly logger: Logger;
  /** Most that the file may take; missing: as much as the disk has. */
  readonly sizeBytesMax: number | undefined;
  /** Asks another thread to move the -wal file into the database; missing: done here. */
  readonly requestCheckpoint: (() => void) | undefined;
}

/** Longest that applied entries stay in an open transaction. */
const COMMIT_EVERY_MS = 100;
/** Entries in one transaction at most. */
const COMMIT_ENTRIES_MAX = 16_384;
/** Longest that a commit waits for its `fdatasync`. */
const SYNC_EVERY_MS = 1_000;
/** Pages in the -wal file from which on it is moved into the database. */
const WAL_PAGES_TARGET = 16_384;
/** Pages that this thread moves itself, so that the -wal file can begin anew. */
const WAL_PAGES_SMALL = 2_048;
/** Pages from which on this thread moves them whatever it costs. */
const WAL_PAGES_MAX = 262_144;
/** Share of the remembered requests that may lie around forgotten before they are deleted. */
const FORGOTTEN_SHARE = 0.05;

/**
 * The one that writes. Entries gather in a transaction that spans many batches; its position
 * commits with them. A lost commit is no loss, the log is durable and replays it.
 */
export class SqliteWriter<Rules extends StateRules> {
  readonly #options: WriterOptions<Rules>;
  readonly #connection: Connection;
  readonly #rows: SqliteRows;
  readonly #store: ModelStore<Rules>;
  readonly #engine: StateEngine<Rules>;
  readonly #begin;
  readonly #commit;
  #committed: Position = NO_POSITION;
  #durable: Position = NO_POSITION;
  #droppedTo = 0;
  #uncommitted = 0;
  #owned = false;
  #cancelCommit: Cancel | undefined;
  #cancelSync: Cancel | undefined;
  #syncing: Promise<void> | undefined;
  /** A commit that failed with no caller to tell; the next one is told. */
  #failure: unknown;
  #closed = false;

  constructor(options: WriterOptions<Rules>) {
    this.#options = options;
    this.#connection = openConnection(options.path, "write");
    try {
      this.#limitSize();
      const { model, identity } = options;
      prepareSchema(this.#connection, identity, model);
      this.#rows = new SqliteRows(this.#connection);
      this.#store = model.open(this.#connection);
      const { rules } = this.#store;
      const seed = this.#connection.prepare("SELECT random() & 4294967295").pluck().get() as number;
      this.#engine = new StateEngine(rules, this.#rows, identity.rememberedRequestsMax, seed);
      this.#begin = this.#connection.prepare("BEGIN IMMEDIATE");
      this.#commit = this.#connection.prepare("COMMIT");
      this.#load();
      if (readState(this.#connection) === undefined) {
        writeState(this.#connection, this.#engine.state());
      }
      syncFilesNow(options.path);
      this.#durable = this.#committed;
    } catch (error) {
      this.#connection.close();
      throw toStateMachineError(error, options.path);
    }
  }

  get applied(): Position {
    return this.#engine.position;
  }

  get rules(): Rules {
    return this.#store.rules;
  }

  get regions(): RegionLog | undefined {
    return this.#store.regions;
  }

  get committed(): Position {
    return this.#committed;
  }

  get durable(): Position {
    return this.#durable;
  }

  /** Writes without a log that are not committed yet; no position tells them apart. */
  get hasOfflineWrites(): boolean {
    return !this.#owned && this.#uncommitted > 0;
  }

  digest(): Digest {
    return { position: this.applied, shards: this.#engine.shards() };
  }

  /** @throws StateMachineError as the port says */
  applyBatch(entries: readonly Entry[]): ApplyResult[] {
    this.#owned = true;
    this.#throwFailure();
    this.#throwFallback(entries[0]);
    const results = this.#guard(() => {
      this.#ensureTransaction();
      return this.#engine.apply(entries);
    });
    this.#uncommitted += entries.length;
    if (this.#options.timers === undefined || this.#uncommitted >= COMMIT_ENTRIES_MAX) {
      this.commit();
    } else {
      this.#cancelCommit ??= this.#options.timers.after(COMMIT_EVERY_MS, () => this.#onCommitDue());
    }
    return results;
  }

  /** Ends the open transaction, so that readers see everything applied. */
  commit(): Position {
    this.#cancelCommit?.();
    this.#cancelCommit = undefined;
    this.#throwFailure();
    if (!this.#connection.inTransaction) return this.#committed;
    this.#guard(() => {
      this.#forget();
      const state = this.#engine.state();
      this.#store.flush?.();
      writeState(this.#connection, state);
      this.#commit.run();
    });
    this.#committed = this.applied;
    this.#uncommitted = 0;
    this.#checkpoint();
    this.#cancelSync ??= this.#options.timers?.after(SYNC_EVERY_MS, () => this.#onSyncDue());
    return this.#committed;
  }

  /** Commits, and waits until that is on the disk. */
  async flush(): Promise<Position> {
    this.commit();
    while (this.#syncing !== undefined) await this.#syncing;
    if (this.#durable.index < this.#committed.index) await this.#sync();
    return this.#durable;
  }

  /** @throws ReplicationError when a log drives this storage */
  write(prepare: (rules: Rules, version: number) => Prepared): Outcome {
    if (this.#owned) throw ownedByLog();
    const outcome = this.#guard(() => {
      this.#ensureTransaction();
      return this.#engine.write(prepare);
    });
    this.#uncommitted += 1;
    if (this.#uncommitted >= COMMIT_ENTRIES_MAX) this.commit();
    return outcome;
  }

  /** See `ComparableContent.repair`. */
  async repair(records: readonly ContentRecord[]): Promise<Position> {
    this.commit();
    this.#guard(() => {
      this.#ensureTransaction();
      const { content, counts } = this.#store.repair(records);
      this.#engine.recount(content.sums, counts);
    });
    this.commit();
    await this.#sync();
    return this.applied;
  }

  setPosition(position: Position): void {
    if (this.#owned) throw ownedByLog();
    this.#ensureTransaction();
    this.#engine.setPosition(position);
    this.commit();
  }

  /** Closes and, when asked to, leaves one file without a -wal beside it. Idempotent. */
  async close(options: { readonly discard?: boolean } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (options.discard !== true) await this.flush();
      if (this.#connection.inTransaction) this.#connection.exec("ROLLBACK");
      this.#connection.pragma("wal_checkpoint(TRUNCATE)");
    } finally {
      this.#cancelCommit?.();
      this.#cancelSync?.();
      await this.#syncing?.catch(() => {});
      this.#connection.close();
    }
  }

  #ensureTransaction(): void {
    if (!this.#connection.inTransaction) this.#begin.run();
  }

  #onCommitDue(): void {
    this.#cancelCommit = undefined;
    try {
      this.commit();
    } catch (error) {
      this.#failure = error;
    }
  }

  #onSyncDue(): void {
    this.#cancelSync = undefined;
    if (this.#syncing !== undefined || this.#closed) return;
    this.#sync().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  /**
   * A commit is in the -wal file, not yet safe from a power cut; after this it is. Should a
   * checkpoint begin the -wal file anew meanwhile, it has synced everything itself.
   */
  async #sync(): Promise<void> {
    const upTo = this.#committed;
    this.#syncing = syncWal(this.#options.path);
    try {
      await this.#syncing;
      this.#durable = upTo;
    } catch (error) {
      // Never tried again: the pages may be marked clean although they were lost.
      const failed = new StateMachineError("STORAGE_FAILED", "a sync of the state failed", {
        cause: error,
      });
      this.#failure = failed;
      throw failed;
    } finally {
      this.#syncing = undefined;
    }
  }

  /**
   * The state went back to its last commit after this batch was sent: a batch before it failed, or
   * a reader or timer whose commit failed took the news. The log's side must go back too.
   */
  #throwFallback(first: Entry | undefined): void {
    if (first === undefined || first.index <= this.applied.index + 1) return;
    throw new StateMachineError(
      "STORAGE_FULL",
      `the state fell back to entry ${this.applied.index}`,
    );
  }

  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    const isFull = failure instanceof StateMachineError && failure.code === "STORAGE_FULL";
    if (isFull) this.#failure = undefined;
    throw failure;
  }

  /** Runs `body`; when it fails, everything since the last commit is undone. */
  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      const failure = toStateMachineError(error, this.#options.path);
      this.#options.logger.log("warn", "storage_rolled_back", "[storage] Rolled back", {
        index: this.applied.index,
        committed: this.#committed.index,
        reason: failure instanceof Error ? failure.message : String(failure),
      });
      if (this.#connection.inTransaction) this.#connection.exec("ROLLBACK");
      this.#load();
      throw failure;
    }
  }

  #load(): void {
    const state = readState(this.#connection);
    const index = state?.position.index ?? 0;
    this.#store.reload();
    this.#engine.load(
      state,
      this.#rows.requestRows(index - this.#options.identity.rememberedRequestsMax),
    );
    this.#committed = this.#engine.position;
    this.#uncommitted = 0;
  }

  #forget(): void {
    const window = this.#options.identity.rememberedRequestsMax;
    const upTo = this.applied.index - window;
    if (upTo <= this.#droppedTo + window * FORGOTTEN_SHARE) return;
    this.#rows.dropApplied(upTo);
    this.#droppedTo = upTo;
  }

  #checkpoint(): void {
    const [now] = this.#connection.pragma("wal_checkpoint(NOOP)") as [
      { readonly log: number; readonly checkpointed: number },
    ];
    if (now.log < WAL_PAGES_TARGET) return;
    const rest = now.log - now.checkpointed;
    const request = this.#options.requestCheckpoint;
    if (request !== undefined && rest > WAL_PAGES_SMALL && now.log < WAL_PAGES_MAX) request();
    else this.#connection.pragma("wal_checkpoint(PASSIVE)");
  }

  #limitSize(): void {
    const most = this.#options.sizeBytesMax;
    if (most === undefined) return;
    const pageSize = this.#connection.pragma("page_size", { simple: true }) as number;
    this.#connection.pragma(`max_page_count = ${Math.floor(most / pageSize)}`);
  }
}

async function syncWal(path: string): Promise<void> {
  const file = await open(`${path}-wal`, "r");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** What an earlier process wrote and did not sync counts as durable only after this. */
function syncFilesNow(path: string): void {
  // Never the database itself: closing any descriptor of it drops SQLite's locks on it.
  for (const [file, sync] of [
    [`${path}-wal`, fdatasyncSync],
    [dirname(path), fsyncSync],
  ] as const) {
    const descriptor = openSync(file, "r");
    try {
      sync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}

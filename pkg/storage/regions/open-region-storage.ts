import type { Awaitable } from "../../base/index.js";
import { ReplicationError } from "../../replication/errors.js";
import type { RegionLog } from "../../replication/ports/index.js";
import { type FileLock, silentLogger } from "../../runtime/index.js";
import { STORAGE_LIMITS } from "../limits.js";
import { openFile } from "../sqlite/open-file.js";
import { latestRegionLog } from "../sqlite/region-log.js";
import { SingleThreadStorage } from "../sqlite/single-storage.js";
import type { SqliteStorage, SqliteStorageOptions } from "../sqlite/sqlite-storage.js";
import { WorkerStorage } from "../sqlite/worker-storage.js";
import type { WriterPortSource } from "../threads/state-machine-port.js";
import type { Conflict } from "./conflict.js";
import type { ConflictNews } from "./conflict-news.js";
import type { Resolver } from "./decide.js";
import type { RegionalOptions } from "./open-session.js";
import type { WriterRegionLog } from "./region-log.js";
import { regionModel } from "./region-model.js";
import { type ConflictPage, type EndedConflict, RegionFileReader } from "./region-reader.js";
import type { Region } from "./region-record.js";
import type { RegionalRules } from "./regional-rules.js";
import { REGION_RULES, type RegionRules } from "./rules.js";

/** What operators read beside the graph; all of it as of what is applied. */
export interface ConflictReads {
  /** Open conflicts by key, those of one thing together; as many things as `limit` allows. */
  conflicts(after: string, limit: number): Awaitable<ConflictPage>;
  /** An open one. */
  conflict(id: string): Awaitable<Conflict | undefined>;
  /** Conflicts that are over, the latest first, as far as they are still listed. */
  endedConflicts(after: string, limit: number): Awaitable<ConflictPage<EndedConflict>>;
  /** What came up on this node since the file was opened, behind a number of it. */
  conflictNews(after: number): Awaitable<ConflictNews>;
}

/** The graph of a region in one SQLite file. */
export interface RegionStorage extends SqliteStorage, ConflictReads {
  readonly regions: RegionLog;
}

export interface RegionStorageOptions extends Omit<SqliteStorageOptions, "threads"> {
  /** See `SqliteStorageOptions`; missing: `single`. */
  readonly threads?: SqliteStorageOptions["threads"] | undefined;
  /**
   * Makes the strategy `resolver`, whatever the configuration says; the same function in every node
   * of every region. `single` only: it cannot cross to another thread.
   */
  readonly resolver?: Resolver | undefined;
  /** `single` only. For tests, which plant wrong ones. */
  readonly rules?: RegionRules | undefined;
}

/**
 * Opens or makes the storage of a node of a region. A file that held a graph becomes one, and goes
 * on as it was until the region is founded by a command.
 * @throws StateMachineError `STORAGE_FAILED` naming what is wrong with the file, or the process
 * that has it open
 * @throws ReplicationError `INVALID` for a resolver beside threads
 */
export function openRegionStorage(
  options: RegionStorageOptions & { readonly threads: "worker" },
): Promise<RegionStorage & WriterPortSource>;
export function openRegionStorage(
  options: RegionStorageOptions & { readonly threads?: "single" | undefined },
): Promise<SingleThreadRegion>;
export function openRegionStorage(options: RegionStorageOptions): Promise<RegionStorage>;
export async function openRegionStorage(options: RegionStorageOptions): Promise<RegionStorage> {
  if (options.threads === "worker" && (options.resolver ?? options.rules) !== undefined) {
    throw new ReplicationError(
      "INVALID",
      'a resolver is a function, which cannot cross to another thread: open the storage with threads "single"',
    );
  }
  return openFile<RegionStorage>(options.path, (lock) => {
    return options.threads === "worker" ? openThreads(options, lock) : openHere(options, lock);
  });
}

function settingsOf({
  path,
  clusterId,
  sizeBytesMax,
  rememberedRequestsMax,
}: RegionStorageOptions) {
  return {
    path,
    identity: {
      model: "region",
      clusterId,
      rememberedRequestsMax: rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax,
    },
    sizeBytesMax,
  };
}

function openThreads(options: RegionStorageOptions, lock: FileLock): Promise<WorkerRegion> {
  const { timers, onFailure } = options;
  const logger = options.logger ?? silentLogger;
  return WorkerRegion.open({ settings: settingsOf(options), lock, logger, timers, onFailure });
}

function openHere(options: RegionStorageOptions, lock: FileLock): SingleThreadRegion {
  const { timers, resolver } = options;
  const regional: RegionalOptions = { rules: options.rules ?? REGION_RULES, resolver };
  const settings = settingsOf(options);
  const { rememberedRequestsMax } = settings.identity;
  return new SingleThreadRegion(
    {
      ...settings,
      model: regionModel(regional),
      timers,
      logger: options.logger ?? silentLogger,
      requestCheckpoint: undefined,
      newReader: (connection) => new RegionFileReader(connection, rememberedRequestsMax, regional),
    },
    lock,
  );
}

/** Everything in the calling thread. */
export class SingleThreadRegion
  extends SingleThreadStorage<RegionalRules, RegionFileReader>
  implements RegionStorage
{
  declare readonly regions: Pick<WriterRegionLog, keyof RegionLog>;

  /** All that it keeps beside things and changes; undefined: not founded yet. */
  region(): Region | undefined {
    return this.latest().region();
  }

  conflicts(after: string, limit: number): ConflictPage {
    return this.latest().conflicts(after, limit);
  }

  conflict(id: string): Conflict | undefined {
    return this.latest().conflict(id);
  }

  endedConflicts(after: string, limit: number): ConflictPage<EndedConflict> {
    return this.latest().endedConflicts(after, limit);
  }

  conflictNews(after: number): ConflictNews {
    return this.rules.conflictNews(after);
  }
}

class WorkerRegion extends WorkerStorage implements RegionStorage {
  readonly regions = latestRegionLog(() => this.live().regions);

  static override open(options: Parameters<typeof WorkerStorage.open>[0]): Promise<WorkerRegion> {
    return new WorkerRegion(options).opened();
  }

  conflicts(after: string, limit: number): Promise<ConflictPage> {
    return this.scan("conflicts", after, limit);
  }

  conflict(id: string): Promise<Conflict | undefined> {
    return this.scan("conflict", id);
  }

  endedConflicts(after: string, limit: number): Promise<ConflictPage<EndedConflict>> {
    return this.scan("endedConflicts", after, limit);
  }

  conflictNews(after: number): Promise<ConflictNews> {
    return this.askWriter("conflictNews", after);
  }
}

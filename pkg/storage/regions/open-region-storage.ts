import type { RegionId } from "../../base/index.js";
import { silentLogger } from "../../runtime/index.js";
import { STORAGE_LIMITS } from "../limits.js";
import { openFile } from "../sqlite/open-file.js";
import { SingleThreadStorage } from "../sqlite/single-storage.js";
import type { SqliteStorage, SqliteStorageOptions } from "../sqlite/sqlite-storage.js";
import type { Conflict } from "./conflict.js";
import type { Resolver } from "./decide.js";
import type { RegionalOptions } from "./open-session.js";
import { regionModel } from "./region-model.js";
import {
  type ChangePage,
  type ChangePageLimits,
  type ConflictPage,
  RegionFileReader,
} from "./region-reader.js";
import type { Region } from "./region-record.js";
import type { RegionalRules } from "./regional-rules.js";
import { REGION_RULES, type RegionRules } from "./rules.js";

/** What a region's leader and operators read beside the graph; all of it as of what is applied. */
export interface RegionReads {
  /** undefined: not founded yet. */
  region(): Region | undefined;
  /**
   * Changes of a region behind `after`, its own or another's, as they are kept.
   * @throws ReplicationError `COMPACTED` when the next one is not kept
   */
  changesOf(origin: RegionId, after: number, limits: ChangePageLimits): ChangePage;
  conflicts(after: string, limit: number): ConflictPage;
  conflict(id: string): Conflict | undefined;
}

export interface RegionStorage extends SqliteStorage, RegionReads {}

export type RegionStorageOptions = Omit<SqliteStorageOptions, "threads" | "onFailure"> & {
  readonly resolver?: Resolver | undefined;
  /** For tests, which plant wrong ones. */
  readonly rules?: RegionRules | undefined;
};

/**
 * Opens or makes the storage of a node of a region, in the calling thread. A file that held a graph
 * becomes one, and goes on as it was until the region is founded by a command.
 * @throws StateMachineError `STORAGE_FAILED` naming what is wrong with the file, or the process
 * that has it open
 */
export function openRegionStorage(options: RegionStorageOptions): Promise<RegionStorage> {
  const { path, clusterId, timers, sizeBytesMax, resolver } = options;
  const rememberedRequestsMax =
    options.rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax;
  const regional: RegionalOptions = { rules: options.rules ?? REGION_RULES, resolver };
  const model = regionModel(regional);
  return openFile(
    path,
    (lock) =>
      new SingleThreadRegion(
        {
          model,
          path,
          identity: { model: model.name, clusterId, rememberedRequestsMax },
          timers,
          logger: options.logger ?? silentLogger,
          sizeBytesMax,
          requestCheckpoint: undefined,
          newReader: (connection) =>
            new RegionFileReader(connection, rememberedRequestsMax, regional),
        },
        lock,
      ),
  );
}

class SingleThreadRegion
  extends SingleThreadStorage<RegionalRules, RegionFileReader>
  implements RegionStorage
{
  region(): Region | undefined {
    return this.latest().region();
  }

  changesOf(origin: RegionId, after: number, limits: ChangePageLimits): ChangePage {
    return this.latest().changesOf(origin, after, limits);
  }

  conflicts(after: string, limit: number): ConflictPage {
    return this.latest().conflicts(after, limit);
  }

  conflict(id: string): Conflict | undefined {
    return this.latest().conflict(id);
  }
}

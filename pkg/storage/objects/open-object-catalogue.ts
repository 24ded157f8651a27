import type { LogIndex, Position } from "../../base/index.js";
import type { Digest } from "../../replication/ports/index.js";
import { type Logger, silentLogger, type Timers } from "../../runtime/index.js";
import { STORAGE_LIMITS } from "../limits.js";
import { openFile } from "../sqlite/open-file.js";
import { SqliteMachine } from "../sqlite/sqlite-machine.js";
import type { ObjectCatalogue, ObjectEffect, PageQuery } from "./catalogue.js";
import { CatalogueReader } from "./catalogue-reader.js";
import type { CatalogueRules } from "./rules.js";
import { catalogueModel } from "./sqlite-catalogue.js";

export interface ObjectCatalogueOptions {
  /** The database file; its folder is made if missing. */
  readonly path: string;
  /** Refuse a file that was made for another cluster. */
  readonly clusterId?: string | undefined;
  /** Without them each batch is committed at once. */
  readonly timers?: Timers | undefined;
  readonly logger?: Logger | undefined;
  /** Part of the state: the same on every node, and fixed when the file is made. */
  readonly rememberedRequestsMax?: number | undefined;
  /** Most that the database file may take; beyond it writes end in `STORAGE_FULL`. */
  readonly sizeBytesMax?: number | undefined;
}

/** The catalogue in one SQLite file, in the calling thread. */
export interface SqliteObjectCatalogue extends ObjectCatalogue {
  /** The digest from the stored bytes, trusting nothing that was kept while applying. */
  recomputeDigest(): Promise<Digest>;
}

/**
 * Opens or makes a catalogue, which holds `<path>.lock` until it is closed.
 * @throws StateMachineError `STORAGE_FAILED` naming what is wrong with the file, or the process
 * that has it open
 */
export function openObjectCatalogue(
  options: ObjectCatalogueOptions,
): Promise<SqliteObjectCatalogue> {
  const { path, clusterId, timers, sizeBytesMax } = options;
  const rememberedRequestsMax =
    options.rememberedRequestsMax ?? STORAGE_LIMITS.rememberedRequestsMax;
  return openFile(
    path,
    (lock) =>
      new Catalogue({
        model: catalogueModel,
        path,
        identity: { model: catalogueModel.name, clusterId, rememberedRequestsMax },
        timers,
        logger: options.logger ?? silentLogger,
        sizeBytesMax,
        requestCheckpoint: undefined,
        lock,
        newReader: (connection) => new CatalogueReader(connection),
      }),
  );
}

class Catalogue
  extends SqliteMachine<CatalogueRules, CatalogueReader>
  implements SqliteObjectCatalogue
{
  async getObject(key: string, atLeast: Position) {
    return this.readerAt(atLeast).getObject(key);
  }

  async findObjects(
    query: PageQuery & { readonly prefix?: string | undefined },
    atLeast: Position,
  ) {
    return this.readerAt(atLeast).findObjects(query);
  }

  async pendingPuts(query: PageQuery, atLeast: Position) {
    return this.readerAt(atLeast).pendingPuts(query);
  }

  async segments(atLeast: Position) {
    return this.readerAt(atLeast).segments();
  }

  async evictable(query: PageQuery, atLeast: Position) {
    return this.readerAt(atLeast).evictable(query);
  }

  async counts(atLeast: Position) {
    return this.readerAt(atLeast).counts();
  }

  changes(after: LogIndex, limit: number) {
    return this.readChanges<ObjectEffect>(after, limit);
  }

  async recomputeDigest(): Promise<Digest> {
    const { reader, position } = this.latest();
    return { position, shards: reader.recomputeShards() };
  }
}

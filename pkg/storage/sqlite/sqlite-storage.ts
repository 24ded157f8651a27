import type { Awaitable } from "../../base/index.js";
import type { Digest } from "../../replication/ports/index.js";
import type { Logger, Timers } from "../../runtime/index.js";
import type { Storage } from "../storage.js";

/** The graph in one SQLite file. */
export interface SqliteStorage extends Storage {
  readonly path: string;
  /** The digest from the stored bytes, trusting nothing that was kept while applying. */
  recomputeDigest(): Awaitable<Digest>;
}

export interface SqliteStorageOptions {
  /** The database file; its folder is made if missing. */
  readonly path: string;
  /** `worker`: writing and long reads in threads of their own. `single`: all in this one. */
  readonly threads: "worker" | "single";
  /** Refuse a file that was made for another cluster. */
  readonly clusterId?: string | undefined;
  /**
   * `single`: without them each batch is committed at once. `worker`: they bound the start; the
   * writing thread has its own.
   */
  readonly timers?: Timers | undefined;
  /** `worker`: one of the threads has died; every call fails from now on. */
  readonly onFailure?: ((error: Error) => void) | undefined;
  readonly logger?: Logger | undefined;
  /** Part of the state: the same on every node, and fixed when the file is made. */
  readonly rememberedRequestsMax?: number | undefined;
  /** Most that the database file may take; beyond it writes end in `STORAGE_FULL`. */
  readonly sizeBytesMax?: number | undefined;
}

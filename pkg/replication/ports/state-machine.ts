import type { Awaitable, JsonValue, LogIndex, Position } from "../../base/index.js";
import type { ErrorCode } from "../errors.js";
import type { ComparableContent } from "./content.js";
import type { Entry } from "./entry.js";
import type { RegionLog } from "./regions.js";

/** What came of one command. A refusal is a result too: the same on every node. */
export type ApplyResult = {
  readonly index: LogIndex;
  /** The command's id was known: nothing was done, `value` is the first answer. */
  readonly replayed: boolean;
} & (
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string }
);

/** 1,024 shard sums over everything replicated, at exactly `position`. */
export interface Digest {
  readonly position: Position;
  /** One sum a shard, each a whole number from 0 to 2^48 - 1. */
  readonly shards: readonly number[];
}

/** A consistent copy at `position`, read as bytes; whoever opened it must close it. */
export interface SnapshotReader {
  readonly position: Position;
  readonly sizeBytes: number;
  /** May be read once. */
  chunks(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/**
 * The state that the log drives. Calls do not overlap, but for `snapshot` and `digest`, which may
 * come while `applyBatch` goes on, and for `applyBatch` itself as far as `applyAheadMax` allows. Applying is deterministic: it reads no clock, no randomness, no
 * environment, and ends in the same state and result on every node.
 */
export interface StateMachine {
  /**
   * How many `applyBatch` calls may be under way at once; missing: 1. They take effect in the order
   * of the calls, and once one has thrown `STORAGE_FULL` so do those that were sent behind it.
   */
  readonly applyAheadMax?: number;
  /** Missing: replicas of this state machine are compared by their digests alone. */
  readonly content?: ComparableContent | undefined;
  /** Missing: this state machine holds nothing that several regions write. */
  readonly regions?: RegionLog | undefined;
  /**
   * Applies committed entries in order; the first index is the applied index + 1 and kinds other
   * than `command` only move the position. Entries and position change together. On return the
   * effects are readable at the new position, though not yet safe from a power cut.
   * @returns one result for each entry of kind `command`, in order
   * @throws StateMachineError `STORAGE_FULL`: nothing of this batch is applied (and maybe the
   * position fell back, see `getWALPosition`); the caller waits, reads the position, and resumes
   * from there. Any other error is fatal.
   */
  applyBatch(entries: readonly Entry[]): Awaitable<readonly ApplyResult[]>;
  /** The last entry applied. After a crash: the last that survived. */
  getWALPosition(): Awaitable<Position>;
  /** The last entry whose effects survive a power cut; the log may be cut up to it. */
  durablePosition(): Awaitable<Position>;
  /** Makes everything applied durable now. */
  flush(): Awaitable<Position>;
  digest(): Awaitable<Digest>;
  snapshot(): Promise<SnapshotReader>;
  /**
   * Replaces everything by the copy, in one step: after a crash it is either the old state or the
   * new one. `chunks` is what `SnapshotReader.chunks` gave.
   */
  restore(chunks: AsyncIterable<Uint8Array>): Promise<Position>;
  /** Idempotent. */
  close(): Awaitable<void>;
}

export class StateMachineError extends Error {
  override readonly name = "StateMachineError";
  constructor(
    readonly code: "STORAGE_FULL" | "STORAGE_FAILED" | "SNAPSHOT_INVALID",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

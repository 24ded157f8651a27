import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { Entry } from "./entry.js";

/**
 * What a node must not forget. `epoch` is the fencing epoch of `ha_standby`; `votedFor` is cleared
 * only when `term` grows; none of the numbers ever goes back.
 */
export interface HardState {
  readonly term: Term;
  readonly votedFor: NodeId | null;
  readonly commit: LogIndex;
  readonly epoch: number;
}

/** A log without its entries. */
export interface LogOutline {
  /** From where on entries have which term; the first at `firstIndex`, ascending in both. */
  readonly terms: readonly { readonly first: LogIndex; readonly term: Term }[];
  /** The entries of kind `config`, ascending. */
  readonly configs: readonly LogIndex[];
}

/**
 * The durable log and hard state of one node. One caller, one thread. `append`, `saveHardState`
 * and `truncateSuffix` take effect at once for readers and become durable together with the next
 * `sync`, in the order they were called.
 *
 * After any method but a read has failed with anything but `LOG_FULL` the log is broken: nothing
 * more is accepted, and the process must end (a failed sync is never retried as if it could
 * succeed).
 */
export interface LogStore {
  /** Index of the oldest entry kept, or `lastIndex + 1` when none is. */
  readonly firstIndex: LogIndex;
  /** The entry before `firstIndex`: where the prefix was cut; 0/0 for a log from the beginning. */
  readonly base: Position;
  readonly last: Position;
  /** Entries up to here survive a power cut. */
  readonly durableIndex: LogIndex;
  readonly hardState: HardState;
  /** Bytes of all segments on disk. */
  readonly sizeBytes: number;

  /**
   * Adds entries; the first index must be `last.index + 1`, terms must not fall.
   * @throws LogError `LOG_FULL`: the disk is full, nothing was added, the log stays usable
   */
  append(entries: readonly Entry[]): void;
  saveHardState(state: HardState): void;
  /**
   * Resolves when everything called before it is durable; many calls share one `fdatasync`.
   * @returns the last durable index
   */
  sync(): Promise<LogIndex>;
  /** Forgets entries from `from` on. Never at or below the committed index (asserted). */
  truncateSuffix(from: LogIndex): void;
  /**
   * Allows entries up to `upTo` to be dropped; keeps what shares a segment with later ones.
   * Only call with an index that the state machine has made durable.
   */
  truncatePrefix(upTo: LogIndex): Promise<void>;
  /**
   * Starts afresh after a snapshot was installed: no entries, base at its position.
   * @param commit - committed from then on, where the history itself was replaced; otherwise what
   *   was committed stays so, even beyond the snapshot
   */
  reset(base: Position, commit?: LogIndex): Promise<void>;
  /** @returns the term of the entry, also for `base.index`; undefined outside the log */
  termAt(index: LogIndex): Term | undefined;
  outline(): LogOutline;
  /**
   * Reads from `from` until `to` (inclusive), the end, or `bytesMax` of payload; at least one
   * entry if there is any.
   * @throws LogError `COMPACTED` when `from` is below `firstIndex`, `LOG_DAMAGED` when bytes changed
   */
  read(from: LogIndex, to: LogIndex, bytesMax: number): Entry[];
  /** Syncs and closes. Idempotent. */
  close(): Promise<void>;
}

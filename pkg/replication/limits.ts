import { invariant } from "../base/index.js";

/** Every bound of the replication loop, in one place; relations are checked at start-up. */
export interface ReplicationLimits {
  /** Writes accepted and not yet answered; one more is `OVERLOADED`. */
  readonly pendingProposalsMax: number;
  /** Their payloads, in bytes. */
  readonly pendingBytesMax: number;
  /** Reads that wait until this node has caught up; one more is `OVERLOADED`. */
  readonly pendingReadsMax: number;
  /** One command, in bytes. */
  readonly commandBytesMax: number;
  /**
   * Entries handed to the state machine in one call: few enough that the first callers of a large
   * commit have their answer, and their next write in the log, while the rest is applied; enough
   * that crossing to the writer's thread costs little.
   */
  readonly applyBatchEntriesMax: number;
  /** Payload handed to the state machine in one call, in bytes. */
  readonly applyBatchBytesMax: number;
  /** Entries kept on disk behind the durable applied position. */
  readonly trailingEntries: number;
  /** Entries that must be droppable before the log is cut. */
  readonly compactionThresholdEntries: number;
  /** Free space on the log's volume under which writes are refused before the disk is full. */
  readonly freeBytesMin: number;
  /** How often free space and compaction are looked at, in milliseconds. */
  readonly housekeepingIntervalMs: number;
  /** Wait before a state machine that was out of space is tried again, in milliseconds. */
  readonly applyRetryMs: number;
  /** Default of a caller that gives no time limit, in milliseconds. */
  readonly commitTimeoutMs: number;
  /** Longest wait for writes under way at shutdown, in milliseconds. */
  readonly drainTimeoutMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: ReplicationLimits = {
  pendingProposalsMax: 10_000,
  pendingBytesMax: 256 * MIB,
  pendingReadsMax: 10_000,
  commandBytesMax: 24 * MIB,
  applyBatchEntriesMax: 64,
  applyBatchBytesMax: MIB / 4,
  trailingEntries: 10_000,
  compactionThresholdEntries: 10_000,
  freeBytesMin: 16 * MIB,
  housekeepingIntervalMs: 1_000,
  applyRetryMs: 500,
  commitTimeoutMs: 5_000,
  drainTimeoutMs: 5_000,
};

export function checkLimits(limits: ReplicationLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    invariant(Number.isSafeInteger(value) && value >= 0, `${name} is a whole number from 0`);
  }
  invariant(limits.pendingProposalsMax > 0, "at least one write may be pending");
  invariant(limits.commandBytesMax <= limits.pendingBytesMax, "the largest command can be pending");
  invariant(limits.applyBatchEntriesMax > 0, "a batch has entries");
  invariant(limits.commitTimeoutMs > 0, "a commit may take some time");
}

import { invariant } from "../../../base/index.js";

const KIB = 1024;

/** Longest membership that an offer carries, as JSON. */
export const CONFIG_BYTES_MAX = 64 * KIB;

/** Every bound of a transfer. A tick is what the owner calls `tick` with, about 100 ms. */
export interface SnapshotLimits {
  /** Payload of one chunk as the sender cuts it. */
  readonly chunkBytes: number;
  /** Longest chunk that a receiver takes. */
  readonly chunkBytesMax: number;
  /** Payload on its way or waiting to be acknowledged; also what the sender holds in memory. */
  readonly windowBytes: number;
  /** Tries of one chunk that arrives damaged. */
  readonly attemptsMax: number;
  /** Fresh copies that a sender takes for one transfer, beyond the first. */
  readonly restartsMax: number;
  /** Before an offer or a question is repeated. */
  readonly retryTicks: number;
  /** A sender gives up after so long without progress. */
  readonly stallTicksMax: number;
  /** A receiver drops what it has after so long without a message. */
  readonly idleTicksMax: number;
  /** Answers that a receiver holds back until a sync. */
  readonly waitingMax: number;
  /** Copies of the content that must fit on the disk: the staged one, and the one being restored. */
  readonly copiesMin: number;
  /** Longest wait for the answer to one message, in milliseconds. */
  readonly callTimeoutMs: number;
}

export const SNAPSHOT_LIMITS: SnapshotLimits = {
  chunkBytes: 64 * KIB,
  chunkBytesMax: KIB * KIB,
  windowBytes: 4 * KIB * KIB,
  attemptsMax: 5,
  restartsMax: 3,
  retryTicks: 5,
  stallTicksMax: 300,
  idleTicksMax: 3_000,
  waitingMax: 256,
  copiesMin: 2,
  callTimeoutMs: 10_000,
};

export function checkSnapshotLimits(limits: SnapshotLimits): void {
  for (const [name, value] of Object.entries(limits)) {
    invariant(Number.isSafeInteger(value) && value >= 1, `${name} is a whole number from 1`);
  }
  invariant(limits.chunkBytes <= limits.chunkBytesMax, "a receiver takes the chunks we send");
  invariant(limits.chunkBytes <= limits.windowBytes, "a window has room for a chunk");
  invariant(windowChunks(limits) <= limits.waitingMax, "a window of answers can wait for a sync");
  invariant(limits.retryTicks < limits.stallTicksMax, "a retry comes before giving up");
  invariant(limits.stallTicksMax < limits.idleTicksMax, "a sender gives up before its receiver");
}

/** Chunks on their way at the same time. */
export function windowChunks(limits: SnapshotLimits): number {
  return Math.floor(limits.windowBytes / limits.chunkBytes);
}

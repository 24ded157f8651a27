import type { RequestId } from "../base/index.js";

/**
 * NornicDB's command numbers, kept on the wire and in the log. What `data` holds for each is in
 * `pkg/storage/SPEC.md`; to the replication layer it is opaque.
 */
export const CommandType = {
  unknown: 0,
  createNode: 1,
  updateNode: 2,
  deleteNode: 3,
  createEdge: 4,
  deleteEdge: 5,
  setProperty: 6,
  batchWrite: 7,
  cypher: 8,
} as const;

/** A byte; the numbers above, or one of a user's own state machine (from 128). */
export type CommandTypeCode = number;

/** One write as a caller states it. `data` is not read after the call it is handed to returns. */
export interface Command {
  readonly type: CommandTypeCode;
  readonly data: Uint8Array;
  /** The same id is applied once; made up by the replicator when missing. */
  readonly requestId?: RequestId | undefined;
}

/** Bounds of the arbiter's clients and of the witness. */
export const ARBITER_LIMITS = {
  /** Longest lease; a typing error must not lock a pair for days. */
  ttlMsMax: 600_000,
  /** Names in an in-sync set. */
  inSyncMax: 64,
  /** Clusters that one witness serves; a new one beyond it is refused. */
  clustersMax: 1_024,
  /** Requests of one cluster that wait for the disk of the witness; beyond it they are refused. */
  requestsMax: 256,
  /** Watches that one witness holds open; beyond it they are refused, and the clients poll. */
  waitsMax: 4_096,
  /** Longest time a watch is held open without an answer. */
  waitMsMax: 30_000,
  /** Bytes of a record on the witness's disk. */
  recordBytesMax: 65_536,
  /** Attempts at one change in etcd while others change the same record. */
  attemptsMax: 8,
  /** Bytes of one answer of etcd. */
  answerBytesMax: 1_048_576,
} as const;

/** Every bound of the comparison of replicas. */
export const VERIFY_LIMITS = {
  shards: 1_024,
  /** A sample takes every shard once in so many rounds. */
  sampleRounds: 10,
  /** Keys of one shard in a sample. */
  sampleKeysMax: 100,
  /** Things that are put right one by one; beyond it the whole state is replaced. */
  repairKeysMax: 10,
  /** A replica that differs and is further behind than this, in entries, is replaced too. */
  gapEntriesMax: 1_000,
  /** Shards and buckets that are looked into to name keys. */
  narrowMax: 10,
  /** Keys that one replica lists for those buckets. */
  keysMax: 1_000,
  /** Longest that a replica looks for an answer, in milliseconds. */
  answerMsMax: 60_000,
  /** Longest that a replica waits until it has reached the marker, in milliseconds. */
  reachMsMax: 10_000,
  /** Longest that a replica stands still to be repaired, in milliseconds. */
  repairMsMax: 3_000,
  /** While a copy is on its way, its receiver asks this often whether it still comes. */
  copyPollMs: 500,
  /** So many bad answers in a row mean that it does not. */
  copyMissesMax: 20,
  /** What was fixed is let go when nobody has asked for so long, in milliseconds. */
  idleMsMax: 15_000,
  /** Questions that wait for a marker. */
  waitingMax: 256,
  /** Rounds that one order takes to see a repair through. */
  orderRoundsMax: 4,
  /** Before a repair is looked at again, in milliseconds. */
  againMs: 1_000,
} as const;

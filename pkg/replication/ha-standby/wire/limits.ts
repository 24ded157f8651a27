/** Bounds of what another node of a pair may send in one message. */
export const HA_WIRE_LIMITS = {
  /** Entries of one batch. */
  entriesMax: 100_000,
  /** Runs of one epoch table; a longer history is told from its newer end. */
  runsMax: 4_096,
  /** Characters of a disk id. */
  diskIdLengthMax: 128,
  /** Characters of a reason. */
  reasonLengthMax: 256,
} as const;

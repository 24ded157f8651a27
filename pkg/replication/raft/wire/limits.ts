/** Bounds of what another raft node may send in one message. */
export const WIRE_LIMITS = {
  /** Entries of one append. */
  entriesMax: 65_536,
  /** Characters of a disk id. */
  diskIdLengthMax: 128,
} as const;

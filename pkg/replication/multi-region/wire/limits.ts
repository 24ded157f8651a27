/** Bounds of what another region may send in one message. */
export const REGION_WIRE_LIMITS = {
  /** Regions that a message may name. */
  regionsMax: 16,
  /** Changes of one message. */
  changesMax: 1_000,
  /** Characters of the address where a leader is reached. */
  addressLengthMax: 300,
} as const;

/** Bounds of what a region's state accepts. Those that decide what applying does are part of the format. */
export const REGION_LIMITS = {
  othersMax: 15,
  /** Conflicts that are over and still listed. */
  closedConflictsMax: 1_000,
  /** Fading things that one command looks at. */
  forgetMax: 500,
  /** Changes that one command takes from another region. */
  receiveMax: 1_000,
  /** Text of changes gathered in memory before it goes to disk. */
  pendingCharsMax: 4 * 1024 * 1024,
  /** Conflicts that came up and that listeners may still be told of. */
  noticesMax: 256,
  /** Text of conflicts from which on a page of them is full. */
  pageCharsMax: 4 * 1024 * 1024,
} as const;

/** Bounds and times of the streams between regions; times in milliseconds. */
export const REGION_STREAM_LIMITS = {
  /** Changes in one message when there are many; a larger batch that is configured makes it larger. */
  messageChanges: 256,
  messageCharsMax: 1_048_576,
  /** Messages under way to one region, and commands of one region under way here. */
  window: 8,
  /** Two ways over the slowest link there may be, 2.5 s each, and a commit there. */
  callMsMax: 10_000,
  backoffMs: 100,
  backoffMsMax: 500,
  /** How long a change that another one waits for may take to come from where it was made. */
  relayMs: 5_000,
  /** Between two messages that say nothing but what is contained. */
  tellMs: 1_000,
  /** Groups of writes that wait for another region. */
  waitsMax: 4_096,
} as const;

/** Bounds of what the catalogue accepts; part of the format, as those of the graph. */
export const OBJECT_LIMITS = {
  /** UTF-8 bytes of a key and of a segment's name. */
  keyBytesMax: 512,
  addressBytesMax: 1_024,
  /** Copies of one object, each on a segment of its own. */
  replicasMax: 16,
  /** Objects that one `evict` names. */
  evictedMax: 10_000,
} as const;

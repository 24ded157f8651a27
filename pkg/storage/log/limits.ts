/** Every bound of the log. Sizes in bytes unless the name says otherwise. */
export const LOG_LIMITS = {
  /** A segment is closed at the first sync that finds it at least this large. */
  segmentBytes: 64 * 1024 * 1024,
  /** Offsets inside a segment are 32-bit; append refuses to grow a segment beyond this. */
  segmentBytesHardMax: 0xf000_0000,
  /** Largest payload of one record. */
  payloadBytesMax: 64 * 1024 * 1024,
  /** One write to the file carries at most this much, or one record if that is larger. */
  writeBytesMax: 4 * 1024 * 1024,
  /** Recent entries kept in memory for readers, by payload bytes and by count. */
  tailBytesMax: 4 * 1024 * 1024,
  tailEntriesMax: 32_768,
  /** One offset is remembered for each stretch of this many bytes. */
  sparseBytes: 64 * 1024,
  /** One read of the file when scanning a whole segment, and when serving entries. */
  scanBytes: 1024 * 1024,
  readBytes: 256 * 1024,
} as const;

import type { Gauge, Histogram, Metrics } from "../../runtime/index.js";

export interface LogMeters {
  readonly syncSeconds: Histogram;
  readonly batchEntries: Histogram;
  readonly position: Gauge;
}

const SECONDS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
const ENTRIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384];

export function logMeters(metrics: Metrics): LogMeters {
  return {
    syncSeconds: metrics.histogram(
      "nornicdb_wal_fsync_duration_seconds",
      "Time one sync of the write-ahead log took.",
      SECONDS,
    ),
    batchEntries: metrics.histogram(
      "nornicdb_wal_batch_entries",
      "Entries that one sync of the write-ahead log made durable.",
      ENTRIES,
    ),
    position: metrics.gauge(
      "nornicdb_wal_position",
      "Index of the last durable entry of the write-ahead log.",
    ),
  };
}

import type { Position } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { LogStore } from "../ports/index.js";

/**
 * FC-017, FC-042: the two copies of the history must meet.
 * @throws ReplicationError `STORAGE_FAILED`
 */
export function checkFit(log: LogStore, applied: Position): void {
  if (applied.index > log.last.index) {
    throw new ReplicationError(
      "STORAGE_FAILED",
      `the log ends at ${log.last.index}, but the storage is at ${applied.index}: the log was lost or put back from an old copy`,
      { hint: "restore both from one snapshot: nornicctl snapshot restore FILE" },
    );
  }
  if (applied.index + 1 < log.firstIndex) {
    throw new ReplicationError(
      "STORAGE_FAILED",
      `the log begins at ${log.firstIndex}, but the storage is at ${applied.index}: entries between them are gone`,
      { hint: "restore from a snapshot: nornicctl snapshot restore FILE" },
    );
  }
  const term = log.termAt(applied.index);
  if (applied.index > 0 && term !== undefined && term !== applied.term) {
    throw new ReplicationError(
      "STORAGE_FAILED",
      `entry ${applied.index} has term ${term} in the log and ${applied.term} in the storage: they are of different histories`,
      { hint: "restore both from one snapshot: nornicctl snapshot restore FILE" },
    );
  }
}

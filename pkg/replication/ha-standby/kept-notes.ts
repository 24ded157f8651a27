import type { HaNote } from "./core/effects.js";

const KEPT: readonly HaNote[] = [
  "became_primary",
  "became_standby",
  "fenced",
  "lease_lost",
  "primary_lost",
  "switchover_started",
  "switchover_failed",
  "standby_in_sync",
  "standby_out_of_sync",
  "standby_wiped",
  "degraded",
  "split_brain_possible",
  "tail_dropped",
  "full_sync_done",
  "log_lost",
];

/** Notes of the core that tell what became of the roles, and of writes: they are kept for good. */
export const KEPT_NOTES: ReadonlySet<string> = new Set(KEPT);

import type { HaState } from "./state.js";
import type { CoreParts } from "./turn.js";

/** The life cycle of a standby; every one of them follows from the state, none is kept in it. */
export const STAGES = [
  "stopped",
  "connecting",
  "syncing",
  "streaming",
  "full_sync",
  "reconnecting",
  "promoting",
  "promoted",
  "fenced",
  "failed",
] as const;
export type Stage = (typeof STAGES)[number];

/**
 * `connecting`: no primary heard since the start. `syncing`: heard, the logs are compared or this
 * one is behind. `streaming`: in sync, as told by the primary. `reconnecting`: the primary is
 * silent. `fenced`: deposed, and no primary heard since. `failed`: it lacks what it had committed,
 * and waits for a primary to copy from.
 */
export function stageOf({ options }: CoreParts, s: HaState): Stage {
  if (s.phase !== "ready") return "stopped";
  if (s.lead !== null) return "promoted";
  if (s.claim !== null) return "promoting";
  if (s.rejoin?.kind === "full_sync" || s.rejoin?.kind === "installing") return "full_sync";
  if (s.lost) return "failed";
  if (s.fenced) return "fenced";
  if (s.follow === null) return "connecting";
  const { heardAt, epoch, told, commit, gone } = s.follow;
  const silent = s.now - heardAt >= options.ticks.contactTicks;
  if (silent || gone || epoch !== s.hard.term) return "reconnecting";
  return s.aligned && told && s.log.last >= commit ? "streaming" : "syncing";
}

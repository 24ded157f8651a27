import { type HardState, LogError } from "../ports/index.js";

/**
 * True when a full log could not take entries, and no promise is among what it lacks: what is
 * committed may be told later, a term or vote that has no room ends the node.
 */
export function isRefusal(error: unknown, wanted: HardState | undefined, kept: HardState): boolean {
  if (!(error instanceof LogError && error.code === "LOG_FULL")) return false;
  if (wanted === undefined) return true;
  const { term, votedFor, epoch } = wanted;
  return term === kept.term && votedFor === kept.votedFor && epoch === kept.epoch;
}

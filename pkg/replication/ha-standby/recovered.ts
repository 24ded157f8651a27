import type { NodeId, Position } from "../../base/index.js";
import type { LogStore } from "../ports/index.js";
import type { HaInput } from "./core/effects.js";

/** What the disk held. HB-2: what was written alone, before there was a pair, is this node's own. */
export function recoveredInput(log: LogStore, self: NodeId, applied: Position): HaInput {
  const { base, last, hardState } = log;
  const wasAlone = hardState.epoch === 0 && last.index > 0;
  const hard = wasAlone ? { ...hardState, votedFor: self } : hardState;
  return { kind: "recovered", hard, base, last, applied, terms: log.outline().terms };
}

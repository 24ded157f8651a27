import type { LogIndex, Position } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { LogStore } from "../ports/index.js";
import type { RaftInput } from "./core/effects.js";
import { type ConfigEntry, decodeMembership } from "./core/membership.js";

/**
 * What the disk held, for the core.
 * @throws ReplicationError `STORAGE_FAILED` when a membership in the log cannot be read
 */
export function recoveredInput(
  log: LogStore,
  kept: readonly ConfigEntry[],
  applied: Position,
): RaftInput {
  const { terms, configs } = log.outline();
  const inLog = configs.map((index) => configAt(log, index));
  const { base } = log;
  const before = kept.filter(({ index }) => index <= base.index).slice(-1);
  return {
    kind: "recovered",
    hard: log.hardState,
    base,
    last: log.last,
    applied,
    terms,
    configs: [...before, ...inLog],
  };
}

function configAt(log: LogStore, index: LogIndex): ConfigEntry {
  const [entry] = log.read(index, index, 1);
  const membership = entry === undefined ? undefined : decodeMembership(entry.payload);
  if (membership === undefined) {
    throw new ReplicationError("STORAGE_FAILED", `entry ${index} of the log is not a membership`);
  }
  return { index, membership };
}

import type { NodeId } from "../../base/index.js";
import type { Logger } from "../../runtime/index.js";
import type { LogStore } from "../ports/index.js";
import type { HaInput } from "./core/effects.js";
import type { FailoverLog } from "./failover-log.js";
import type { HaOwnEffect } from "./mode-parts.js";
import { SALVAGE_READ_BYTES, type SalvageFiles } from "./salvage/salvage-files.js";

export interface SetAsideParts {
  readonly own: { readonly id: NodeId };
  readonly log: LogStore;
  readonly salvage: SalvageFiles;
  readonly failovers: FailoverLog;
  readonly logger: Logger;
}

/** HB-30: durable before the core hears of it, and only then anything is cut. */
export async function setAside(
  { own, log, salvage, failovers, logger }: SetAsideParts,
  effect: Extract<HaOwnEffect, { kind: "salvage" }>,
): Promise<HaInput> {
  const { id, from, upTo, epoch, primary } = effect;
  const first = { index: from, term: log.termAt(from) ?? log.base.term };
  const origin = { node: own.id, primary, epoch, first, last: upTo };
  const file = await salvage.write(origin, (next) => log.read(next, upTo, SALVAGE_READ_BYTES));
  const text = "[replication] Writes that only this node had are set aside";
  logger.log("warn", "salvaged", text, { file, from, upTo, epoch, primary });
  const cause = `entries ${from} to ${upTo} are not in the log of ${primary}`;
  failovers.record({ event: "salvaged", epoch, cause, entries: upTo - from + 1, salvage: file });
  return { kind: "salvaged", id };
}

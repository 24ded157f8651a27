import { isSafeCount, parseRegionId, type RegionId } from "../../base/index.js";
import { type Fields, invalid } from "../envelope.js";
import { REGION_LIMITS } from "./limits.js";

export const STRATEGIES = ["last_write_wins", "first_write_wins", "manual", "resolver"] as const;
/** `resolver`: a function of the user's, which every node of every region must have been given. */
export type StrategyName = (typeof STRATEGIES)[number];

/** What decides how commands are applied, so that it stands in the log and not in a file. */
export interface RegionSettings {
  readonly self: RegionId;
  /** All regions but this one, ascending. */
  readonly others: readonly RegionId[];
  readonly strategy: StrategyName;
  /** How far another region's clock may be ahead. */
  readonly driftMsMax: number;
}

/**
 * Settings as a command holds them.
 * @throws ReplicationError `INVALID` naming the field
 */
export function toRegionSettings(fields: Fields): RegionSettings {
  const self = toRegion(fields.self, "self");
  const { others, driftMsMax } = fields;
  if (!Array.isArray(others) || others.length > REGION_LIMITS.othersMax) {
    throw invalid(`others must be a list of at most ${REGION_LIMITS.othersMax} regions`);
  }
  const names = [...new Set(others.map((other) => toRegion(other, "others")))].sort();
  if (names.includes(self)) throw invalid(`others must not name the region itself, ${self}`);
  const strategy = STRATEGIES.find((name) => name === fields.strategy);
  if (strategy === undefined) throw invalid(`strategy must be one of ${STRATEGIES.join(", ")}`);
  if (!isSafeCount(driftMsMax)) throw invalid("driftMsMax must be a whole number from 0");
  return { self, others: names, strategy, driftMsMax };
}

/** @throws ReplicationError `INVALID` naming the field */
export function toRegion(value: unknown, field: string): RegionId {
  const region = typeof value === "string" ? parseRegionId(value) : undefined;
  if (region === undefined) throw invalid(`${field} must be a region's name`);
  return region;
}

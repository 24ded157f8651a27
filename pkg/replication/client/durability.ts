import { ReplicationError } from "../errors.js";
import { DURABILITIES, type Durability, type Mode } from "../replicator.js";

/** The most that an acknowledgement can promise in each mode. */
const MOST: Readonly<Record<Mode, Durability>> = {
  standalone: "local",
  ha_standby: "persisted",
  raft: "quorum",
  multi_region: "region",
};

/** @returns the refusal of a durability that the mode can never give; undefined: it can */
export function durabilityRefusal(
  mode: Mode,
  durability: Durability,
): ReplicationError | undefined {
  const given = DURABILITIES.slice(0, DURABILITIES.indexOf(MOST[mode]) + 1);
  if (given.includes(durability)) return undefined;
  const message = `durability: mode ${mode} gives ${given.join(", ")}`;
  return new ReplicationError("INVALID", message, { field: "durability" });
}

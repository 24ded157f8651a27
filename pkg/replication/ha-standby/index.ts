export type { HaEffect, HaInput, HaNote } from "./core/effects.js";
export type { HaState } from "./core/state.js";
export type { HaMessage } from "./messages.js";
export type { HaMode } from "./mode.js";
export { type HaSettings, type OpenHaStandbyParts, openHaStandby } from "./open-ha-standby.js";
export type { PeerAddress } from "./peers.js";
export {
  type SalvagedEntry,
  SalvageFiles,
  type SalvageSummary,
} from "./salvage/salvage-files.js";

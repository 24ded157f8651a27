export type {
  ArbiterOutcome,
  ArbiterRequest,
  HaEffect,
  HaInput,
  HaNote,
  HaStep,
} from "./effects.js";
export {
  checkHaOptions,
  DEFAULT_HA_LIMITS,
  DEFAULT_HA_TICKS,
  type HaLimits,
  type HaOptions,
  type HaTicks,
  PEERS_MAX,
  type SyncMode,
} from "./options.js";
export { RULES, type Rules } from "./rules.js";
export { STAGES, type Stage } from "./stage.js";
export type { HaState } from "./state.js";
export { createHaCore, type HaCore } from "./step.js";
export type { HaView, StandbyView } from "./view.js";

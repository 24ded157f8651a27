export type {
  Proposed,
  RegionEffect,
  RegionInput,
  RegionNote,
  RegionProposal,
  RegionStep,
} from "./effects.js";
export type { RegionLag } from "./lag.js";
export type { ChangesAnswer, ChangesMessage, ChangesRun, Refusal, Vector } from "./messages.js";
export type { RegionCoreOptions } from "./options.js";
export { STREAM_RULES, type StreamRules } from "./rules.js";
export type { RegionState, RegionView } from "./state.js";
export { createRegionCore, type RegionCore } from "./step.js";

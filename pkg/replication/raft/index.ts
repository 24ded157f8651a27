export type { LogTerms, TermRun } from "../progress/index.js";
export type {
  MemberChange,
  RaftEffect,
  RaftInput,
  RaftNote,
  RaftStep,
} from "./core/effects.js";
export {
  type ConfigEntry,
  decodeMembership,
  encodeMembership,
  type Learner,
  type Member,
  type Membership,
  toMembership,
} from "./core/membership.js";
export {
  checkRaftOptions,
  DEFAULT_RAFT_LIMITS,
  DEFAULT_TICKS,
  type RaftLimits,
  type RaftOptions,
  type RaftTicks,
} from "./core/options.js";
export { RULES, type Rules } from "./core/rules.js";
export type { RaftState } from "./core/state.js";
export { createRaftCore, type RaftCore } from "./core/step.js";
export type { PeerView, RaftView } from "./core/view.js";
export { FrontEnds } from "./front-ends.js";
export { MembersFile } from "./members-file.js";
export type { RaftMessage } from "./messages.js";
export type { RaftMode, RaftOwnEffect } from "./mode.js";
export { type OpenRaftParts, openRaft, type RaftSettings, raftTickMs } from "./open-raft.js";
export {
  makeOnlyVoter,
  readStanding,
  type Standing,
  type StandingParts,
} from "./recover-alone.js";

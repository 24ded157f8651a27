import {
  STREAM_RULES,
  type StreamRules,
} from "../../../pkg/replication/multi-region/core/index.js";
import { RULES, type Rules } from "../../../pkg/replication/raft/index.js";
import { REGION_RULES, type RegionRules } from "../../../pkg/storage/regions/rules.js";

/** What lies between the region's core, its raft and its clients, as decisions that can be wrong. */
export interface BindingRules {
  /** The core leads while the node's raft does. */
  leads(raftLeads: boolean, led: boolean): boolean;
  /** Where the receiver is, by its own word, and not by what any leader of this region has sent. */
  position(said: number, sent: number): number;
  /** When a command that the core asked for is reported: when it is applied. */
  reports: "applied" | "proposed";
  /** What a client asks again has the id that it had. */
  retryId(id: string, attempt: number): string;
  /** What is contained of others: what the state says, or what this leader has seen applied. */
  contains: "state" | "leader";
  /** What another region sent is a write of this one, too. */
  echoes: boolean;
  /** A write that waits, and whose end is not known, is not acknowledged. */
  isReached(reached: boolean): boolean;
}

export interface SimRules {
  readonly raft: Rules;
  readonly machine: RegionRules;
  readonly stream: StreamRules;
  readonly binding: BindingRules;
}

export const SIM_RULES: SimRules = {
  raft: RULES,
  machine: REGION_RULES,
  stream: STREAM_RULES,
  binding: {
    leads: (raftLeads) => raftLeads,
    position: (said) => said,
    reports: "applied",
    retryId: (id) => id,
    contains: "state",
    echoes: false,
    isReached: (reached) => reached,
  },
};

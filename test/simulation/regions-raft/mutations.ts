import { join } from "../../../pkg/replication/multi-region/core/vectors.js";
import { type BindingRules, SIM_RULES, type SimRules } from "./binding.js";

/** One planted bug: the true rules with one decision, or two that belong together, taken wrongly. */
export interface Mutation {
  readonly name: string;
  /** A seed that shows it, and soon. */
  readonly seed: number;
  readonly machine?: Partial<SimRules["machine"]>;
  readonly stream?: Partial<SimRules["stream"]>;
  readonly binding?: Partial<BindingRules>;
}

const always = () => true;

/** Each is a mistake of systems that replicate over regions; the checkers must find every one. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "MR-31 a batch that is dropped when the leader changes: the new one goes on from where the old one had sent",
    seed: 9,
    machine: { order: (have, seq) => (seq <= have ? "known" : "next") },
    binding: { position: Math.max },
  },
  {
    name: "MR-10 a gap is accepted, and the sender goes on from where it was",
    seed: 9,
    machine: { order: (have, seq) => (seq <= have ? "known" : "next") },
    stream: { resumeAt: Math.max },
  },
  {
    name: "MR-31 the position is not committed with the entry: the leader keeps it, and it is gone with him",
    seed: 42,
    binding: { contains: "leader" },
  },
  {
    name: "MR-34 the position is told before the entry is applied",
    seed: 18,
    stream: { contained: join },
  },
  {
    name: "MR-34 changes are answered when they are proposed",
    seed: 9,
    binding: { reports: "proposed" },
  },
  {
    name: "MR-30 a leader that is one no more goes on",
    seed: 23,
    binding: { leads: (raftLeads, led) => raftLeads || led },
  },
  {
    name: "MR-9 an echo: what came from another region is told as a write of one's own (FC-113)",
    seed: 54,
    binding: { echoes: true },
  },
  {
    name: "MR-36 what is contained is told for ever (FC-113)",
    seed: 9,
    stream: { isNews: always },
  },
  {
    name: "MR-36 what is contained is never told",
    seed: 9,
    stream: { isNews: () => false },
  },
  {
    name: "MR-38 a write is acknowledged before another region has it",
    seed: 9,
    stream: { isThere: (seq, acknowledged) => seq <= acknowledged + 1 },
  },
  {
    name: "MR-38 a wait that nobody knows the end of counts as reached",
    seed: 23,
    binding: { isReached: always },
  },
  {
    name: "MR-6 a client that asks again is another client: increments count twice",
    seed: 23,
    binding: { retryId: (id, attempt) => `${id}-${attempt}` },
  },
  {
    name: "MR-1 the clock follows the wall clock back",
    seed: 18,
    machine: { nextReading: (_, ms) => ({ ms, counter: 0 }) },
  },
  {
    name: "MR-2 a tie that the region does not break (FC-109)",
    seed: 18,
    machine: { compare: (a, b) => a.ms - b.ms },
  },
  {
    name: "MR-4 a conflict is not listed: a write takes the place of what it did not know",
    seed: 9,
    machine: { knew: always },
  },
  {
    name: "MR-4 a write does not take the place of what it knew",
    seed: 9,
    machine: { knew: () => false },
  },
  {
    name: "MR-11 a change is taken before what its writer knew",
    seed: 9,
    machine: { isReady: always },
  },
  {
    name: "MR-14 a tombstone goes by age alone",
    seed: 9,
    machine: { mayForget: always },
  },
];

export function mutate({ machine, stream, binding }: Mutation): SimRules {
  return {
    raft: SIM_RULES.raft,
    machine: { ...SIM_RULES.machine, ...machine },
    stream: { ...SIM_RULES.stream, ...stream },
    binding: { ...SIM_RULES.binding, ...binding },
  };
}

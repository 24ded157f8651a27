import { type Ratio, type SeededRandom, seededRandom } from "../../support/index.js";
import type { CallFaults } from "../support/unreliable-transport.js";

export const FAULTS = [
  "power_cut",
  "power_cut_of_all",
  "kill",
  "shutdown",
  "restart",
  "cut",
  "heal",
  "reset",
  "slow_link",
  "pause",
  "slow_disk",
  "hung_disk",
  "failed_sync",
  "full_disk",
  "clock_step",
  "members",
  "transfer",
  "step_down",
  "wipe",
] as const;
export type Fault = (typeof FAULTS)[number];

const WEIGHT: Record<Fault, number> = {
  power_cut: 6,
  power_cut_of_all: 1,
  kill: 4,
  shutdown: 3,
  restart: 16,
  cut: 8,
  heal: 12,
  reset: 4,
  slow_link: 4,
  pause: 5,
  slow_disk: 3,
  hung_disk: 2,
  failed_sync: 2,
  full_disk: 1,
  clock_step: 2,
  members: 8,
  transfer: 4,
  step_down: 2,
  wipe: 2,
};

/** All in milliseconds. */
export interface Timing {
  readonly electionMs: number;
  readonly heartbeatMs: number;
  readonly leaseMs: number;
}

/** Everything about one run that is not code; derived from its seed. */
export interface Swarm {
  readonly seed: number;
  readonly voters: number;
  /** Nodes that are no members at first. */
  readonly spares: number;
  /** Only the first founder has `bootstrap`; otherwise all have. */
  readonly oneFounder: boolean;
  readonly timing: Timing;
  readonly delayMsMax: number;
  readonly calls: CallFaults;
  readonly syncMsMax: number;
  /** Clocks run at rates that differ by at most twice this, in millionths. */
  readonly ratePpmMax: number;
  readonly secret: boolean;
  readonly segmentBytesMax: number;
  readonly trailingEntries: number;
  readonly compactionThresholdEntries: number;
  readonly housekeepingIntervalMs: number;
  readonly applyBatchEntriesMax: number;
  readonly inflightMessagesMax: number;
  /** Replicas are compared this often, in election timeouts. */
  readonly verifyElections: number;
  readonly sessions: number;
  readonly keys: number;
  /** Longest pause of a session between two operations. */
  readonly thinkMsMax: number;
  /** Bytes that each write carries beyond its value, at most. */
  readonly ballastBytesMax: number;
  /** Weights of what the world does next. */
  readonly faults: Readonly<Record<Fault, number>>;
}

const RARELY: readonly Ratio[] = [
  [0, 1],
  [0, 1],
  [1, 100],
  [10, 100],
];

/** A random subset of the faults for each seed: some bugs only show when others are absent. */
export function swarmOf(seed: number): Swarm {
  const random = seededRandom(`raft-cluster-${seed}`);
  const voters = random.pick([3, 3, 3, 3, 4, 5, 5, 7]);
  return {
    seed,
    voters,
    spares: Math.min(7 - voters, random.pick([0, 0, 1, 2])),
    oneFounder: random.chance(1, 4),
    timing: random.pick<Timing>([
      { electionMs: 300, heartbeatMs: 50, leaseMs: 150 },
      { electionMs: 300, heartbeatMs: 50, leaseMs: 250 },
      { electionMs: 1000, heartbeatMs: 100, leaseMs: 500 },
    ]),
    delayMsMax: random.pick([1, 5, 20]),
    calls: {
      loss: random.pick([...RARELY, [30, 100] as const]),
      duplicate: random.pick([...RARELY, [50, 100] as const]),
      late: random.pick(RARELY),
      lateMsMax: random.pick([5, 50, 200]),
    },
    syncMsMax: random.pick([1, 5, 30]),
    ratePpmMax: random.pick([0, 1_000, 40_000]),
    secret: random.chance(1, 8),
    segmentBytesMax: random.pick([2_048, 8_192]),
    trailingEntries: random.pick([0, 5, 50]),
    compactionThresholdEntries: random.pick([5, 20, 100]),
    housekeepingIntervalMs: random.pick([50, 200, 1_000]),
    applyBatchEntriesMax: random.pick([1, 8, 64]),
    inflightMessagesMax: random.pick([2, 16, 256]),
    verifyElections: random.pick([2, 5, 1_000]),
    sessions: random.between(2, 6),
    keys: random.between(1, 5),
    thinkMsMax: random.pick([10, 50, 200]),
    ballastBytesMax: random.pick([0, 100, 2_000]),
    faults: faultsOf(random),
  };
}

function faultsOf(random: SeededRandom): Record<Fault, number> {
  const all = random.chance(1, 4);
  const faults = Object.fromEntries(
    FAULTS.map((fault) => [fault, all || random.chance(1, 2) ? WEIGHT[fault] : 0]),
  ) as Record<Fault, number>;
  faults.restart = WEIGHT.restart;
  if (faults.cut > 0 || faults.slow_link > 0) faults.heal = WEIGHT.heal;
  return faults;
}

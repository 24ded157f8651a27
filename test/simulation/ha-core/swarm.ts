import type { HaOptions } from "../../../pkg/replication/ha-standby/core/index.js";
import { type Ratio, type SeededRandom, seededRandom } from "../../support/index.js";

/** Everything about one run that is not code; derived from its seed. Times in units, a tick is 100. */
export interface Swarm {
  readonly seed: number;
  readonly nodes: number;
  readonly arbiter: HaOptions["arbiter"];
  readonly policy: HaOptions["policy"];
  readonly syncMode: HaOptions["syncMode"];
  readonly fallbackTicks: number | null;
  readonly autoFailover: boolean;
  /** How often a process starts with a role that has nothing to do with the truth. */
  readonly misconfigured: Ratio;
  readonly wants: Ratio;
  readonly clientGapMax: number;
  readonly loss: Ratio;
  readonly duplicate: Ratio;
  readonly spike: Ratio;
  readonly spikeMax: number;
  readonly delayMax: number;
  readonly syncMax: number;
  readonly driftPercent: number;
  readonly appendBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly inSyncLagMax: number;
  readonly arbiterLoss: Ratio;
  readonly arbiterSpike: Ratio;
  /** How often a change of the set takes effect much later, and its answer never comes. */
  readonly recordStray: Ratio;
  /** Weights of what the world does next to clients' writes and reads. */
  readonly faults: Readonly<Record<Fault, number>>;
}

export const FAULTS = [
  "crash",
  "restart",
  "cut",
  "heal",
  "pause",
  "slow_disk",
  "compact",
  "flush",
  "arbiter_cut",
  "arbiter_restart",
  "promote",
  "switchover",
  "stopped_promote",
  "wipe",
  "log_full",
  "storage_full",
  "duel",
  "stop",
] as const;
export type Fault = (typeof FAULTS)[number];

const WEIGHT: Record<Fault, number> = {
  crash: 6,
  restart: 12,
  cut: 8,
  heal: 12,
  pause: 5,
  slow_disk: 3,
  compact: 8,
  flush: 10,
  arbiter_cut: 6,
  arbiter_restart: 2,
  promote: 3,
  switchover: 4,
  stopped_promote: 2,
  wipe: 2,
  log_full: 2,
  storage_full: 2,
  duel: 10,
  stop: 2,
};

/** All faults, a random half of them, or one or two that then go deep. */
function pickFaults(random: SeededRandom): Record<Fault, number> {
  const breadth = random.pick(["all", "half", "half", "focus"] as const);
  const focus = [random.pick(FAULTS), random.pick(["duel", "cut", "crash", "pause"] as const)];
  return Object.fromEntries(
    FAULTS.map((fault) => {
      const half = random.chance(1, 2);
      const chosen = breadth === "focus" ? focus.includes(fault) : breadth === "all" || half;
      return [fault, chosen ? WEIGHT[fault] : 0];
    }),
  ) as Record<Fault, number>;
}

/** Some bugs only show when other faults are absent, so every seed has its own mixture. */
export function swarmOf(seed: number): Swarm {
  const random: SeededRandom = seededRandom(`ha-swarm-${seed}`);
  const faults = pickFaults(random);
  const kills = faults.crash + faults.wipe + faults.stop + faults.stopped_promote;
  if (kills > 0) faults.restart ||= 3;
  if (faults.cut > 0 || faults.duel > 0 || faults.arbiter_cut > 0) faults.heal ||= 3;
  if (faults.compact > 0) faults.flush ||= 3;
  return {
    seed,
    nodes: random.pick([2, 2, 2, 3, 3, 4]),
    arbiter: random.pick(["lease", "lease", "lease", "peer"] as const),
    policy: random.pick(["consistency", "consistency", "availability"] as const),
    syncMode: random.pick(["async", "semi_sync", "sync", "sync"] as const),
    fallbackTicks: random.pick([null, null, null, 20]),
    autoFailover: random.chance(7, 8),
    misconfigured: random.pick<Ratio>([
      [0, 1],
      [1, 4],
      [1, 1],
    ]),
    wants: random.pick<Ratio>([
      [0, 1],
      [1, 5],
    ]),
    clientGapMax: random.pick([60, 60, 300]),
    loss: random.pick<Ratio>([
      [0, 1],
      [0, 1],
      [2, 100],
      [10, 100],
      [30, 100],
    ]),
    duplicate: random.pick<Ratio>([
      [0, 1],
      [5, 100],
      [50, 100],
    ]),
    spike: random.pick<Ratio>([
      [0, 1],
      [2, 100],
      [15, 100],
    ]),
    spikeMax: random.pick([300, 1500, 6000]),
    delayMax: random.pick([20, 60, 100]),
    syncMax: random.pick([10, 40, 150]),
    driftPercent: random.pick([0, 2, 4]),
    appendBytesMax: random.pick([64, 256, 1024]),
    inflightMessagesMax: random.pick([2, 16, 64]),
    inSyncLagMax: random.pick([4, 40, 1000]),
    arbiterLoss: random.pick<Ratio>([
      [0, 1],
      [5, 100],
      [30, 100],
    ]),
    arbiterSpike: random.pick<Ratio>([
      [0, 1],
      [5, 100],
    ]),
    recordStray: random.pick<Ratio>([
      [0, 1],
      [0, 1],
      [1, 2],
    ]),
    faults,
  };
}

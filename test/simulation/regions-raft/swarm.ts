import type { RegionCoreOptions } from "../../../pkg/replication/multi-region/core/index.js";
import type { StrategyName } from "../../../pkg/storage/regions/region-settings.js";
import { type Ratio, type SeededRandom, seededRandom } from "../../support/index.js";
import type { Swarm } from "../raft-core/swarm.js";

export const TROUBLES = [
  "crash",
  "restart",
  "cut",
  "heal",
  "pause",
  "slow_disk",
  "compact",
  "flush",
  "transfer",
  "clock",
] as const;
export type Trouble = (typeof TROUBLES)[number];

const WEIGHT: Record<Trouble, number> = {
  crash: 5,
  restart: 10,
  cut: 5,
  heal: 9,
  pause: 4,
  slow_disk: 3,
  compact: 6,
  flush: 8,
  transfer: 8,
  clock: 5,
};

/** How one region ends in a run: as the others, or the operators gave it up. */
export type Fate = "lives" | "given_up" | "lost";

/** Everything about one run that is not code; derived from its seed. Times in milliseconds. */
export interface RegionSwarm {
  readonly seed: number;
  readonly regions: number;
  readonly strategy: StrategyName;
  /** How long everything may fail. */
  readonly spanMs: number;
  readonly clientGapMsMax: number;
  /** Of the writes, this many wait for another region. */
  readonly waits: Ratio;
  readonly troubleGapMsMax: number;
  readonly linkGapMsMax: number;
  readonly linkLoss: Ratio;
  readonly linkDelayMsMax: number;
  readonly linkSpike: Ratio;
  readonly troubles: Readonly<Record<Trouble, number>>;
  /** Of the last region. */
  readonly fate: Fate;
  readonly core: Omit<RegionCoreOptions, "self">;
}

export function swarmOf(seed: number): RegionSwarm {
  const random = seededRandom(`regions-${seed}`);
  const spanMs = random.pick([20_000, 40_000, 40_000, 90_000, 240_000]);
  const regions = random.pick([2, 3, 3]);
  const strategy = random.pick(["last_write_wins", "first_write_wins", "manual"] as const);
  return {
    seed,
    regions,
    strategy: seed % 5 === 0 ? "resolver" : strategy,
    spanMs,
    clientGapMsMax: Math.round(spanMs / random.pick([15, 40, 70])),
    waits: random.pick<Ratio>([
      [0, 1],
      [1, 3],
      [1, 1],
    ]),
    troubleGapMsMax: random.pick([1_000, 3_000, 10_000]),
    linkGapMsMax: random.pick([2_000, 10_000, 30_000]),
    linkLoss: random.pick<Ratio>([
      [0, 1],
      [1, 20],
      [1, 4],
    ]),
    linkDelayMsMax: random.pick([20, 150, 600]),
    linkSpike: random.pick<Ratio>([
      [0, 1],
      [1, 30],
    ]),
    troubles: pickTroubles(random),
    fate: random.pick(["lives", "lives", "lives", "given_up", "lost"] as const),
    core: coreOptionsOf(random),
  };
}

function coreOptionsOf(random: SeededRandom): RegionSwarm["core"] {
  const batchChanges = random.pick([1, 3, 20]);
  return {
    batchTicks: random.pick([1, 1, 5]),
    batchChanges,
    messageChangesMax: batchChanges + random.pick([0, 3, 100]),
    messageCharsMax: 100_000,
    windowMax: random.pick([1, 3, 8]),
    proposalsMax: random.pick([1, 2, 8]),
    backoffTicks: 2,
    backoffTicksMax: 16,
    relayTicks: random.pick([4, 12, 40]),
    tellTicks: random.pick([2, 4, 10]),
    waitsMax: random.pick([2, 50]),
    keptChangesMax: 0,
  };
}

/** All of them, a random half, or one that goes deep. */
function pickTroubles(random: SeededRandom): Record<Trouble, number> {
  const breadth = random.pick(["all", "half", "half", "focus"] as const);
  const focus = random.pick(TROUBLES);
  const chosen = Object.fromEntries(
    TROUBLES.map((trouble) => {
      const half = random.chance(1, 2);
      const isOn = breadth === "focus" ? trouble === focus : breadth === "all" || half;
      return [trouble, isOn ? WEIGHT[trouble] : 0];
    }),
  ) as Record<Trouble, number>;
  if (chosen.crash > 0) chosen.restart ||= 5;
  if (chosen.cut > 0) chosen.heal ||= 5;
  if (chosen.compact > 0) chosen.flush ||= 5;
  return chosen;
}

/** One region's raft cluster: three voters that stay. */
export function raftSwarmOf({ seed }: RegionSwarm, region: number): Swarm {
  const random = seededRandom(`raft-${seed}-${region}`);
  return {
    seed: seed * 10 + region,
    voters: 3,
    spares: 0,
    oneFounder: false,
    writes: [1, 1],
    clientGapMax: 100,
    loss: random.pick<Ratio>([
      [0, 1],
      [0, 1],
      [5, 100],
    ]),
    duplicate: random.pick<Ratio>([
      [0, 1],
      [5, 100],
    ]),
    spike: random.pick<Ratio>([
      [0, 1],
      [2, 100],
    ]),
    spikeMax: 1_500,
    delayMax: random.pick([5, 20, 60]),
    syncMax: random.pick([10, 40, 150]),
    driftPercent: random.pick([0, 2]),
    appendBytesMax: 4_096,
    inflightMessagesMax: random.pick([8, 64]),
    promoteLagEntries: 16,
    faults: NO_FAULTS,
  };
}

const NO_FAULTS: Swarm["faults"] = {
  crash: 0,
  restart: 0,
  cut: 0,
  heal: 0,
  pause: 0,
  slow_disk: 0,
  compact: 0,
  flush: 0,
  members: 0,
  transfer: 0,
  step_down: 0,
  wipe: 0,
  log_full: 0,
  storage_full: 0,
  duel: 0,
};

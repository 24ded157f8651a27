import { type Ratio, type SeededRandom, seededRandom } from "../../support/index.js";

/** Everything about one run that is not code; derived from its seed. Times in units, a tick is 100. */
export interface Swarm {
  readonly seed: number;
  readonly voters: number;
  readonly spares: number;
  /** Only the first founder has `bootstrap`; otherwise all have. */
  readonly oneFounder: boolean;
  /** Of what clients ask, this many are writes; the rest are reads. */
  readonly writes: Ratio;
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
  readonly promoteLagEntries: number;
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
  "members",
  "transfer",
  "step_down",
  "wipe",
  "log_full",
  "storage_full",
  "duel",
] as const;
export type Fault = (typeof FAULTS)[number];

const WEIGHT: Record<Fault, number> = {
  crash: 6,
  restart: 12,
  cut: 8,
  heal: 12,
  pause: 5,
  slow_disk: 3,
  compact: 10,
  flush: 12,
  members: 8,
  transfer: 4,
  step_down: 2,
  wipe: 2,
  log_full: 2,
  storage_full: 2,
  duel: 10,
};

/** All faults, a random half of them, or one or two that then go deep. */
function pickFaults(random: SeededRandom): Record<Fault, number> {
  const breadth = random.pick(["all", "half", "half", "focus"] as const);
  const focus = [random.pick(FAULTS), random.pick(["duel", "cut", "crash", "members"] as const)];
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
  const random: SeededRandom = seededRandom(`swarm-${seed}`);
  const faults = pickFaults(random);
  if (faults.crash > 0 || faults.wipe > 0) faults.restart ||= 3;
  if (faults.cut > 0 || faults.duel > 0) faults.heal ||= 3;
  if (faults.compact > 0) faults.flush ||= 3;
  return {
    seed,
    voters: random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 7]),
    spares: random.pick([0, 0, 1, 2]),
    oneFounder: random.chance(1, 4),
    writes: random.pick<Ratio>([
      [3, 5],
      [3, 5],
      [1, 30],
    ]),
    clientGapMax: random.pick([80, 80, 400]),
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
    spikeMax: random.pick([300, 1500, 6000, 20_000]),
    delayMax: random.pick([20, 60, 100]),
    syncMax: random.pick([10, 40, 150]),
    driftPercent: random.pick([0, 2, 4]),
    appendBytesMax: random.pick([64, 256, 1024]),
    inflightMessagesMax: random.pick([8, 16, 64]),
    promoteLagEntries: random.pick([0, 4, 16]),
    faults,
  };
}

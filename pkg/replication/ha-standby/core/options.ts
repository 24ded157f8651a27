import { invariant, type NodeId } from "../../../base/index.js";

/** All times of the core, in ticks of the driver's timer. */
export interface HaTicks {
  readonly heartbeatTicks: number;
  /** A standby or primary that is silent for this long is not in contact. */
  readonly contactTicks: number;
  /** A standby that is silent for this long is taken out of the set of those in sync. */
  readonly lostTicks: number;
  /** Silence of the primary after which a standby seeks promotion. */
  readonly failoverTicks: number;
  /** What the arbiter grants; also for how long a standby's promise binds it. */
  readonly ttlTicks: number;
  readonly renewTicks: number;
  /** By how much clocks of two nodes may drift apart within one lease, and then some. */
  readonly driftTicks: number;
  /** How long a candidate waits for positions, and again for answers to its fence. */
  readonly fenceTicks: number;
  /** A request to the arbiter without an answer for this long has an unknown outcome. */
  readonly requestTicks: number;
  /** A hand-over that takes longer is given up, and the primary goes on. */
  readonly switchoverTicks: number;
  /** A primary deposed sooner than this waits longer before the next promotion. */
  readonly dampingTicks: number;
  /** `sync` without any standby goes on alone after this long; null: it refuses. */
  readonly fallbackTicks: number | null;
}

export interface HaLimits {
  /** Batches and bytes under way to one standby. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Payload and entries of one batch. */
  readonly appendBytesMax: number;
  readonly batchEntriesMax: number;
  /** Batches that came too early and wait for the ones before them. */
  readonly earlyBatchesMax: number;
  /** Reads waiting for the state machine. */
  readonly readsMax: number;
  /** Messages waiting for the disk; further ones are lost, as on a network. */
  readonly heldMessagesMax: number;
  /** `async`: a standby further behind than this is not in sync. */
  readonly inSyncLagMax: number;
  /** Runs of one epoch that a table names. */
  readonly tableRunsMax: number;
}

export type SyncMode = "async" | "semi_sync" | "sync";

/** What one core is created with. */
export interface HaOptions {
  readonly id: NodeId;
  /** Made with the data directory; a new directory has a new one. */
  readonly disk: string;
  /** All other nodes; the same set of nodes must be named everywhere. */
  readonly peers: readonly NodeId[];
  /** The configured role; it only matters where no epoch is known yet. */
  readonly startsAsPrimary: boolean;
  /** `lease`: a witness or etcd. `peer`: nobody but the nodes themselves. */
  readonly arbiter: "lease" | "peer";
  /** Only with `peer`. */
  readonly policy: "consistency" | "availability";
  readonly syncMode: SyncMode;
  readonly autoFailover: boolean;
  readonly ticks: HaTicks;
  readonly limits: HaLimits;
}

/** With a tick of 10 ms: the documented defaults. */
export const DEFAULT_HA_TICKS: HaTicks = {
  heartbeatTicks: 100,
  contactTicks: 300,
  lostTicks: 500,
  failoverTicks: 500,
  ttlTicks: 300,
  renewTicks: 100,
  driftTicks: 50,
  fenceTicks: 50,
  requestTicks: 100,
  switchoverTicks: 500,
  dampingTicks: 6000,
  fallbackTicks: null,
};

const MIB = 1024 * 1024;

export const DEFAULT_HA_LIMITS: HaLimits = {
  inflightMessagesMax: 512,
  inflightBytesMax: 8 * MIB,
  appendBytesMax: MIB,
  batchEntriesMax: 1000,
  earlyBatchesMax: 16,
  readsMax: 10_000,
  heldMessagesMax: 256,
  inSyncLagMax: 1000,
  tableRunsMax: 256,
};

export const PEERS_MAX = 15;

/** @throws InvariantViolation naming the relation that does not hold */
export function checkHaOptions(options: HaOptions): void {
  const { ticks, limits, peers, id } = options;
  const { fallbackTicks, ...always } = ticks;
  for (const [name, value] of Object.entries({ ...always, ...limits })) {
    invariant(Number.isSafeInteger(value) && value > 0, `${name} is a whole number from 1`);
  }
  invariant(fallbackTicks === null || fallbackTicks >= 0, "fallbackTicks is null or from 0");
  invariant(ticks.contactTicks >= 2 * ticks.heartbeatTicks, "contactTicks >= 2 heartbeats");
  invariant(ticks.lostTicks >= ticks.contactTicks, "lostTicks >= contactTicks");
  invariant(ticks.ttlTicks > ticks.driftTicks + 2 * ticks.heartbeatTicks, "a lease outlasts drift");
  invariant(ticks.ttlTicks > ticks.driftTicks + 2 * ticks.renewTicks, "a lease outlasts a renewal");
  invariant(ticks.driftTicks >= 2, "driftTicks is at least 2");
  invariant(ticks.failoverTicks >= ticks.contactTicks, "failoverTicks >= contactTicks");
  invariant(limits.inflightBytesMax >= limits.appendBytesMax, "one batch fits the window");
  invariant(options.disk.length > 0, "disk is not empty");
  invariant(peers.length <= PEERS_MAX, `at most ${PEERS_MAX} peers`);
  invariant(!peers.includes(id), "a node is not its own peer");
  invariant(new Set(peers).size === peers.length, "every peer is listed once");
}

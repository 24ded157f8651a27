import { invariant, type NodeId } from "../../../base/index.js";

/** All times of the core, in ticks of the driver's timer. */
export interface RaftTicks {
  readonly heartbeatTicks: number;
  /** Shortest election timeout; the longest is one tick less than half as long again. */
  readonly electionTicks: number;
  /** How long a leader may answer reads on the word of a quorum. */
  readonly leaseTicks: number;
  /** By how many ticks clocks of two nodes may drift apart within one election timeout. */
  readonly driftTicks: number;
  /** A leader whose disk has not finished a sync for this long gives up leadership. */
  readonly diskStallTicks: number;
  /** A hand-over that takes longer is given up, and the leader goes on. */
  readonly transferTicks: number;
}

export interface RaftLimits {
  /** Messages and bytes under way to one follower. */
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  /** Payload of one append, in bytes. */
  readonly appendBytesMax: number;
  /** Reads waiting for a round or for the state machine. */
  readonly readsMax: number;
  /** Messages waiting for the disk; further ones are lost, as on a network. */
  readonly heldMessagesMax: number;
  /** A learner this close to the end of the log has caught up. */
  readonly promoteLagEntries: number;
}

/** What one core is created with. */
export interface RaftOptions {
  readonly id: NodeId;
  /** Made with the data directory; a new directory has a new one. */
  readonly disk: string;
  /** For jitter; different on every node. */
  readonly seed: number;
  /** May found the cluster of `founders` when its log is empty. */
  readonly bootstrap: boolean;
  readonly founders: readonly { readonly id: NodeId; readonly address: string }[];
  readonly ticks: RaftTicks;
  readonly limits: RaftLimits;
}

/** With a tick of 10 ms: heartbeat 100 ms, election 1-2 s, lease 500 ms. */
export const DEFAULT_TICKS: RaftTicks = {
  heartbeatTicks: 10,
  electionTicks: 100,
  leaseTicks: 50,
  driftTicks: 10,
  diskStallTicks: 300,
  transferTicks: 100,
};

const MIB = 1024 * 1024;

export const DEFAULT_RAFT_LIMITS: RaftLimits = {
  inflightMessagesMax: 512,
  inflightBytesMax: 8 * MIB,
  appendBytesMax: MIB,
  readsMax: 10_000,
  heldMessagesMax: 256,
  promoteLagEntries: 256,
};

/** @throws InvariantViolation naming the relation that does not hold */
export function checkRaftOptions(options: RaftOptions): void {
  const { ticks, limits } = options;
  for (const [name, value] of Object.entries({ ...ticks, ...limits })) {
    invariant(Number.isSafeInteger(value) && value >= 0, `${name} is a whole number from 0`);
  }
  invariant(ticks.heartbeatTicks > 0, "heartbeatTicks is at least 1");
  invariant(
    ticks.electionTicks >= 2 * ticks.heartbeatTicks + 1,
    "electionTicks is more than two heartbeats",
  );
  invariant(
    ticks.leaseTicks + ticks.driftTicks + 2 <= ticks.electionTicks,
    "leaseTicks + driftTicks + 2 is at most electionTicks",
  );
  invariant(ticks.transferTicks > 0, "transferTicks is at least 1");
  invariant(ticks.diskStallTicks >= ticks.electionTicks, "diskStallTicks >= electionTicks");
  invariant(limits.inflightMessagesMax > 0, "inflightMessagesMax is at least 1");
  invariant(limits.inflightBytesMax >= limits.appendBytesMax, "one append fits the window");
  invariant(limits.appendBytesMax > 0 && limits.readsMax > 0, "limits leave room for one");
  invariant(options.disk.length > 0, "disk is not empty");
  if (!options.bootstrap) return;
  const ids = options.founders.map((founder) => founder.id);
  invariant(ids.includes(options.id), "a founder is on the list of founders");
  invariant(new Set(ids).size === ids.length, "every founder is listed once");
}

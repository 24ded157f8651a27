import { join } from "node:path";
import type { NodeId } from "../../base/index.js";
import {
  type Clock,
  type FileSystem,
  type Logger,
  type Metrics,
  noMetrics,
  type Random,
  type Timers,
} from "../../runtime/index.js";
import type { LogStore, StateMachine, Transport } from "../ports/index.js";
import { Verification } from "../verification/index.js";
import type { KeysOf } from "./blocked-keys.js";
import { DEFAULT_RAFT_LIMITS, type RaftTicks } from "./core/options.js";
import { createRaftCore } from "./core/step.js";
import { MembersFile } from "./members-file.js";
import { RaftMode } from "./mode.js";
import type { RaftModeParts, RaftTiming } from "./mode-parts.js";
import { RaftSnapshots } from "./snapshots.js";

/** What an operator sets; times in milliseconds. */
export interface RaftSettings {
  readonly bootstrap: boolean;
  /** The voters at the founding, this node among them; used by a node that may found. */
  readonly founders: readonly { readonly id: NodeId; readonly address: string }[];
  /** Where other nodes reach this one. */
  readonly address: string;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leaderLeaseMs: number;
  readonly inflightMessagesMax: number;
  /** Longest that a write of unknown fate is tried again. */
  readonly retryMs: number;
  /** Between two comparisons of replicas; missing: 30 s. */
  readonly verifyIntervalMs?: number | undefined;
}

export interface OpenRaftParts {
  readonly nodeId: NodeId;
  /** Of this data directory; a wiped one has another. */
  readonly diskId: string;
  readonly settings: RaftSettings;
  /** For the members' file and copies that arrive. */
  readonly directory: string;
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
  /** What a command writes. Missing: reads wait for no write under way, and no key is blocked. */
  readonly keysOf?: KeysOf | undefined;
  /** See `RaftModeParts`. */
  readonly work?: RaftModeParts["work"];
}

/**
 * Makes the mode of a node on its disk, after finishing what a crash interrupted.
 * @throws ReplicationError `STORAGE_FAILED` when the members' file cannot be understood
 */
export async function openRaft(parts: OpenRaftParts): Promise<RaftMode> {
  const { nodeId, settings, log, stateMachine, fileSystem, clock, timers, random } = parts;
  const members = new MembersFile(fileSystem, parts.directory);
  const kept = members.read();
  if (kept.installing !== null) {
    const applied = await stateMachine.getWALPosition();
    const isInPlace = applied.index === kept.installing.index;
    if (isInPlace && log.termAt(applied.index) !== applied.term) await log.reset(applied);
    await members.write({ configs: kept.configs, installing: null });
  }
  const timing = toTiming(settings);
  const core = createRaftCore({
    id: nodeId,
    disk: parts.diskId,
    seed: Buffer.from(random.bytes(4)).readUInt32LE(0),
    bootstrap: settings.bootstrap,
    founders: settings.founders,
    ticks: toTicks(settings, timing.tickMs),
    limits: { ...DEFAULT_RAFT_LIMITS, inflightMessagesMax: settings.inflightMessagesMax },
  });
  return new RaftMode({
    core,
    own: { id: nodeId, address: settings.address },
    log,
    transport: parts.transport,
    members,
    kept: kept.configs,
    openSnapshots: (host) =>
      RaftSnapshots.open(
        {
          nodeId,
          directory: join(parts.directory, "incoming"),
          log,
          stateMachine,
          members,
          fileSystem,
          timers,
          random,
          logger: parts.logger,
        },
        host,
      ),
    openVerification: (host) =>
      new Verification(
        {
          stateMachine,
          fileSystem,
          directory: join(parts.directory, "verification"),
          clock,
          timers,
          logger: parts.logger,
          metrics: parts.metrics ?? noMetrics,
          intervalMs: settings.verifyIntervalMs ?? VERIFY_INTERVAL_MS,
        },
        host,
      ),
    keysOf: parts.keysOf,
    work: parts.work,
    clock,
    timers,
    timing,
  });
}

const VERIFY_INTERVAL_MS = 30_000;
const TICK_MS_MAX = 50;
/** A tick wakes a thread, which is most of what an idle node costs: as few as timing allows. */
const TICKS_PER_HEARTBEAT = 2;
/** A leader that misses the answers of so many rounds of heartbeats has a write outage. */
const HEARTBEATS_MISSED = 2;

/** How often a node wakes for its timing, in milliseconds. */
export function raftTickMs({ heartbeatMs }: RaftSettings): number {
  return Math.max(1, Math.min(TICK_MS_MAX, Math.floor(heartbeatMs / TICKS_PER_HEARTBEAT)));
}

function toTiming(settings: RaftSettings): RaftTiming {
  const { electionTimeoutMs, leaderLeaseMs, heartbeatMs, retryMs } = settings;
  const tickMs = raftTickMs(settings);
  return {
    tickMs,
    stallMs: Math.max(5 * tickMs, Math.floor(leaderLeaseMs / 2)),
    callTimeoutMs: Math.max(1_000, 2 * electionTimeoutMs),
    patienceMs: 4 * electionTimeoutMs,
    retryMs,
    outageMs: HEARTBEATS_MISSED * heartbeatMs,
    handOverMs: 2 * electionTimeoutMs,
  };
}

/** Clocks of two nodes are taken to drift apart by less than a tenth of an election timeout. */
const DRIFT_SHARE = 10;

function toTicks(settings: RaftSettings, tickMs: number): RaftTicks {
  const electionTicks = Math.ceil(settings.electionTimeoutMs / tickMs);
  const driftTicks = Math.ceil(electionTicks / DRIFT_SHARE);
  const leaseTicks = Math.floor(settings.leaderLeaseMs / tickMs);
  return {
    heartbeatTicks: Math.max(1, Math.round(settings.heartbeatMs / tickMs)),
    electionTicks,
    leaseTicks: Math.max(0, Math.min(leaseTicks, electionTicks - driftTicks - 2)),
    driftTicks,
    diskStallTicks: 3 * electionTicks,
    transferTicks: electionTicks,
  };
}

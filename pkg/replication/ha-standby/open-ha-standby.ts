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
import type { Arbiter, LogStore, StateMachine, Transport } from "../ports/index.js";
import { Verification } from "../verification/index.js";
import { HaCopies } from "./copies.js";
import { DEFAULT_HA_LIMITS, type HaTicks, type SyncMode } from "./core/options.js";
import { createHaCore } from "./core/step.js";
import { FailoverLog } from "./failover-log.js";
import { InstallingFile } from "./installing-file.js";
import { HaMode } from "./mode.js";
import type { HaTiming } from "./mode-parts.js";
import type { PeerAddress } from "./peers.js";
import { SalvageFiles } from "./salvage/salvage-files.js";

/** What an operator sets; times in milliseconds. */
export interface HaSettings {
  /** This node as the others of the pair call it, and where they reach it. */
  readonly own: PeerAddress;
  readonly peers: readonly PeerAddress[];
  /** False: the nodes know each other by address alone, and `id` is made of that. */
  readonly named: boolean;
  /** The transport serves NornicDB nodes, too. */
  readonly open?: boolean | undefined;
  readonly startsAsPrimary: boolean;
  readonly arbiter: "peer" | "witness" | "etcd";
  readonly policy: "consistency" | "availability";
  readonly syncMode: SyncMode;
  /** `sync` without a standby goes on alone after this long; null: it refuses. */
  readonly fallbackMs: number | null;
  readonly autoFailover: boolean;
  readonly heartbeatMs: number;
  readonly failoverTimeoutMs: number;
  readonly leaseTtlMs: number;
  readonly batchEntriesMax: number;
  /** Entries that nobody waits for leave for a standby within this long. */
  readonly batchTimeoutMs: number;
  /** Longest that a write of unknown fate is waited for. */
  readonly retryMs: number;
  readonly verifyIntervalMs: number;
}

export interface OpenHaStandbyParts {
  /** The node's name in the cluster. */
  readonly nodeId: NodeId;
  /** Of this data directory; a wiped one has another. */
  readonly diskId: string;
  readonly settings: HaSettings;
  /** For salvage files, what the comparison finds, and copies that arrive. */
  readonly directory: string;
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  readonly arbiter: Arbiter;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
}

/**
 * Makes the mode of a node on its disk, after finishing what a crash interrupted. It owns the
 * transport and the arbiter from then on.
 * @throws ReplicationError `STORAGE_FAILED` when a file of this mode cannot be understood
 */
export async function openHaStandby(parts: OpenHaStandbyParts): Promise<HaMode> {
  const { settings, log, stateMachine, fileSystem, clock, timers, logger, directory } = parts;
  const metrics = parts.metrics ?? noMetrics;
  const installing = new InstallingFile(fileSystem, directory);
  await finishInstall(installing, stateMachine, log);
  const timing = toTiming(settings);
  const core = createHaCore({
    id: settings.own.id,
    disk: parts.diskId,
    peers: settings.peers.map(({ id }) => id),
    startsAsPrimary: settings.startsAsPrimary,
    arbiter: settings.arbiter === "peer" ? "peer" : "lease",
    policy: settings.policy,
    syncMode: settings.syncMode,
    autoFailover: settings.autoFailover,
    ticks: toTicks(settings, timing.tickMs),
    limits: { ...DEFAULT_HA_LIMITS, batchEntriesMax: settings.batchEntriesMax },
  });
  return new HaMode({
    core,
    nodeId: parts.nodeId,
    own: settings.own,
    peers: settings.peers,
    named: settings.named,
    open: settings.open === true,
    disk: parts.diskId,
    log,
    transport: parts.transport,
    arbiter: parts.arbiter,
    failovers: FailoverLog.open({ fileSystem, directory, clock, logger }),
    salvage: new SalvageFiles({ fileSystem, directory: join(directory, "salvage"), clock }),
    openCopies: (host) =>
      HaCopies.open(
        {
          nodeId: parts.nodeId,
          directory: join(directory, "incoming"),
          log,
          stateMachine,
          installing,
          fileSystem,
          timers,
          random: parts.random,
          logger,
        },
        host,
      ),
    openVerification: (host) =>
      new Verification(
        {
          stateMachine,
          fileSystem,
          directory: join(directory, "verification"),
          clock,
          timers,
          logger,
          metrics,
          intervalMs: settings.verifyIntervalMs,
        },
        host,
      ),
    clock,
    timers,
    logger,
    metrics,
    timing,
  });
}

/** HB-11: the copy is in the state machine, and the log has not begun anew there yet. */
async function finishInstall(
  installing: InstallingFile,
  stateMachine: StateMachine,
  log: LogStore,
): Promise<void> {
  const position = installing.read();
  if (position === null) return;
  const applied = await stateMachine.getWALPosition();
  const isInPlace = applied.index === position.index && applied.term === position.term;
  if (isInPlace && log.base.index !== position.index) await log.reset(position, position.index);
  await installing.clear();
}

const TICK_MS_MAX = 50;
const TICKS_A_HEARTBEAT = 5;
/** Silent heartbeats after which a node is not in contact. */
const CONTACT_HEARTBEATS = 3;
/** Clocks of two nodes are taken to drift apart by less than this share of a lease. */
const DRIFT_SHARE = 6;
const FENCE_MS_MAX = 500;
const DAMPING_MS = 60_000;

function toTiming(settings: HaSettings): HaTiming {
  const { heartbeatMs, failoverTimeoutMs, leaseTtlMs, retryMs } = settings;
  const tickMs = Math.max(1, Math.min(TICK_MS_MAX, Math.floor(heartbeatMs / TICKS_A_HEARTBEAT)));
  const handOverMs = Math.max(1_000, failoverTimeoutMs);
  return {
    tickMs,
    stallMs: Math.max(5 * tickMs, Math.floor(leaseTtlMs / DRIFT_SHARE)),
    callTimeoutMs: Math.max(1_000, failoverTimeoutMs),
    probeMs: Math.max(tickMs, Math.floor(heartbeatMs / 4)),
    leaseTtlMs,
    // Timers are late; the other half of what is allowed is for that.
    gatherMs: settings.syncMode === "async" ? Math.floor(settings.batchTimeoutMs / 2) : 0,
    patienceMs: Math.min(handOverMs, retryMs / 2),
    retryMs,
    handOverMs,
  };
}

function toTicks(settings: HaSettings, tickMs: number): HaTicks {
  const { heartbeatMs, failoverTimeoutMs, leaseTtlMs, fallbackMs } = settings;
  const ticks = (ms: number) => Math.max(1, Math.round(ms / tickMs));
  const heartbeatTicks = ticks(heartbeatMs);
  const contactTicks = CONTACT_HEARTBEATS * heartbeatTicks;
  const ttlTicks = Math.floor(leaseTtlMs / tickMs);
  return {
    heartbeatTicks,
    contactTicks,
    lostTicks: Math.max(contactTicks, ticks(failoverTimeoutMs)),
    failoverTicks: Math.max(contactTicks, ticks(failoverTimeoutMs)),
    ttlTicks,
    renewTicks: Math.max(1, Math.min(heartbeatTicks, Math.floor(ttlTicks / 3))),
    driftTicks: Math.max(2, Math.ceil(ttlTicks / DRIFT_SHARE)),
    fenceTicks: ticks(Math.min(FENCE_MS_MAX, failoverTimeoutMs / 4)),
    requestTicks: Math.max(1, Math.ceil(ttlTicks / 3)),
    switchoverTicks: ticks(failoverTimeoutMs),
    dampingTicks: ticks(DAMPING_MS),
    fallbackTicks: fallbackMs === null ? null : ticks(fallbackMs),
  };
}

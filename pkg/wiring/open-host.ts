import type { JsonValue } from "../base/index.js";
import {
  type FromNode,
  NodeHost,
  type ReplicationLimits,
  StandaloneMode,
  type ToNode,
} from "../replication/index.js";
import type { LogStore, StateMachine } from "../replication/ports/index.js";
import { openRaft } from "../replication/raft/index.js";
import type { Logger, Metrics } from "../runtime/index.js";
import {
  nodeFileSystem,
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../runtime/node/index.js";
import { keysOfCommand } from "../storage/index.js";
import { openSegmentedLog } from "../storage/log/index.js";
import { createTransport } from "../transport/index.js";
import { checkModeChange } from "./mode-change.js";
import type { NodeSetup } from "./node-setup.js";
import { openHaMode } from "./open-ha-mode.js";

export interface OpenHostParts {
  readonly setup: NodeSetup;
  readonly stateMachine: StateMachine;
  readonly limits: ReplicationLimits;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readMetrics: () => Promise<JsonValue>;
  readonly deliver: (message: FromNode) => void;
}

/** A node of any mode in this thread; `start` runs it. */
export interface Host {
  start(): Promise<void>;
  onMessage(message: ToNode): void;
}

/** Opens log and mode as the setup says. Rejects when either cannot be opened. */
export async function openHost(parts: OpenHostParts): Promise<Host> {
  const { setup, logger, metrics } = parts;
  const fileSystem = nodeFileSystem();
  const log = await openSegmentedLog({
    directory: setup.logDirectory,
    fileSystem,
    logger,
    metrics,
    clusterId: setup.identity.clusterId,
    clock: systemClock,
  });
  try {
    checkModeChange(setup, log, fileSystem);
    const common = {
      ...parts,
      log,
      fileSystem,
      logDirectory: setup.logDirectory,
      clock: systemClock,
      timers: systemTimers,
    };
    const { nodeId, clusterId } = setup.identity;
    if (setup.ha !== undefined) {
      const identity = { mode: "ha_standby" as const, nodeId, clusterId };
      return new NodeHost({ ...common, identity, mode: await openHaMode(parts, setup.ha, log) });
    }
    if (setup.raft === undefined) {
      const identity = { mode: "standalone" as const, nodeId, clusterId };
      return new NodeHost({ ...common, identity, mode: new StandaloneMode(log) });
    }
    const identity = { mode: "raft" as const, nodeId, clusterId };
    return new NodeHost({ ...common, identity, mode: await openRaftMode(parts, setup.raft, log) });
  } catch (error) {
    await log.close();
    throw error;
  }
}

function openRaftMode(
  { setup, stateMachine, logger, metrics }: OpenHostParts,
  { settings, port }: NonNullable<NodeSetup["raft"]>,
  log: LogStore,
) {
  const { nodeId, clusterId, diskId } = setup.identity;
  const ports = { clock: systemClock, timers: systemTimers, random: systemRandom, logger };
  const transport = createTransport({
    nodeId,
    clusterId,
    ...port,
    limits: dialLimits(settings.electionTimeoutMs),
    network: nodeNetwork(),
    metrics,
    ...ports,
  });
  return openRaft({
    nodeId,
    diskId,
    settings,
    directory: setup.directory,
    log,
    stateMachine,
    transport,
    fileSystem: nodeFileSystem(),
    metrics,
    keysOf: keysOfCommand,
    ...ports,
  });
}

const REDIAL_MS_MIN = 50;
const HANDSHAKE_MS_MIN = 1_000;

/**
 * A member that is back must be reached well within an election timeout: with a dead member, a
 * leader that does not find it has no majority and steps down.
 */
function dialLimits(electionTimeoutMs: number) {
  return {
    backoffMinMs: REDIAL_MS_MIN,
    backoffMaxMs: Math.max(REDIAL_MS_MIN, Math.floor(electionTimeoutMs / 4)),
    handshakeTimeoutMs: Math.max(HANDSHAKE_MS_MIN, 2 * electionTimeoutMs),
  };
}

import type { JsonValue } from "../base/index.js";
import {
  type FromNode,
  NodeHost,
  type ReplicationLimits,
  StandaloneMode,
  type ToNode,
} from "../replication/index.js";
import type { StateMachine } from "../replication/ports/index.js";
import type { Logger, Metrics } from "../runtime/index.js";
import { nodeFileSystem, systemClock, systemTimers } from "../runtime/node/index.js";
import { openSegmentedLog } from "../storage/log/index.js";
import { checkModeChange } from "./mode-change.js";
import type { NodeSetup } from "./node-setup.js";
import { openHaMode } from "./open-ha-mode.js";
import { openRaftMode, openRegionMode } from "./open-raft-mode.js";

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
    const { region } = setup.raft;
    const mode = region === undefined ? ("raft" as const) : ("multi_region" as const);
    const identity = { mode, nodeId, clusterId };
    const bound =
      region === undefined
        ? await openRaftMode(parts, setup.raft, log)
        : await openRegionMode(parts, setup.raft, region, log);
    return new NodeHost({ ...common, identity, mode: bound });
  } catch (error) {
    await log.close();
    throw error;
  }
}

import { closeInOrder, parseNodeId } from "../base/index.js";
import type { Config } from "../config/index.js";
import {
  checkLimits,
  DEFAULT_LIMITS,
  describeFailure,
  type FromNode,
  type NodeChannel,
  type OpenChannel,
  ReplicationError,
  type ReplicationLimits,
  ReplicatorClient,
} from "../replication/index.js";
import type { StateMachine } from "../replication/ports/index.js";
import {
  createRequestIds,
  type Logger,
  type Metrics,
  noMetrics,
  silentLogger,
} from "../runtime/index.js";
import { nodeFileSystem, systemClock, systemRandom, systemTimers } from "../runtime/node/index.js";
import type { WriterPortSource } from "../storage/index.js";
import { toHaSetup } from "./ha-setup.js";
import { type StoredIdentity, settleIdentity } from "./node-identity.js";
import { toNodeSetup } from "./node-setup.js";
import { openHost } from "./open-host.js";
import { openWorkerChannel } from "./worker-channel.js";

export interface CreateReplicatorOptions {
  /** Nothing is logged without one. */
  readonly logger?: Logger | undefined;
  /** Of this thread; the replication thread has its own, see `ReplicatorClient.metrics`. */
  readonly metrics?: Metrics | undefined;
  readonly limits?: Partial<ReplicationLimits> | undefined;
}

/**
 * Builds the replicator of the configured mode around a state machine, which it owns from then on:
 * `shutdown` closes it. Nothing happens before `start`.
 * @throws ReplicationError `INVALID` for `multi_region` on a storage that several regions cannot write
 */
export function createReplicator(
  config: Config,
  storage: StateMachine & Partial<WriterPortSource>,
  options: CreateReplicatorOptions = {},
): ReplicatorClient {
  if (config.mode === "multi_region" && storage.regions === undefined) {
    throw new ReplicationError("INVALID", "this storage cannot hold what several regions write", {
      field: "storage",
      hint: "open it with openRegionStorage",
    });
  }
  const limits: ReplicationLimits = {
    ...DEFAULT_LIMITS,
    trailingEntries: config.logKeeping.trailingEntries,
    compactionThresholdEntries: config.logKeeping.snapshotThresholdEntries,
    freeBytesMin: config.diskReserveBytes,
    commitTimeoutMs: config.logKeeping.commitTimeoutMs,
    ...options.limits,
  };
  checkLimits(limits);
  return new ReplicatorClient({
    mode: config.mode,
    nodeId: config.nodeId === null ? null : (parseNodeId(config.nodeId) ?? null),
    clock: systemClock,
    timers: systemTimers,
    createRequestId: createRequestIds({ clock: systemClock, random: systemRandom }),
    limits,
    maxLagEntries: config.cluster.maxLagEntries,
    open: openAfterIdentity(config, storage, (identity) =>
      openOn(config, storage, options, limits, identity),
    ),
  });
}

/** The channel exists once the data directory has said, or been told, whose it is. */
function openAfterIdentity(
  config: Config,
  storage: StateMachine,
  open: (identity: StoredIdentity) => Promise<OpenChannel>,
): OpenChannel {
  return (deliver) => {
    let channel: NodeChannel | undefined;
    const wanted = { nodeId: config.nodeId, clusterId: config.cluster.clusterId };
    const ports = { fileSystem: nodeFileSystem(), random: systemRandom };
    void settleIdentity(wanted, config.cluster.dataDir, ports)
      .then(open)
      .then((openChannel) => {
        channel = openChannel(deliver);
      })
      .catch(async (error: unknown) => {
        deliver({ kind: "start_failed", error: describeFailure(error) });
        // No node has taken it over, so nobody else would let go of its files.
        await closeInOrder([() => storage.close()]).catch(() => {});
        deliver({ kind: "stopped" });
      });
    return {
      send: (message) => channel?.send(message),
      close: async () => channel?.close(),
    };
  };
}

async function openOn(
  config: Config,
  stateMachine: StateMachine & Partial<WriterPortSource>,
  options: CreateReplicatorOptions,
  limits: ReplicationLimits,
  identity: StoredIdentity,
): Promise<OpenChannel> {
  const logger = options.logger ?? silentLogger;
  const setup =
    config.mode === "ha_standby"
      ? toHaSetup(config, identity)
      : toNodeSetup(config, identity, stateMachine.regions?.resolves);
  if (config.cluster.threads === "worker") {
    return openWorkerChannel({ setup, limits, stateMachine, logger, timers: systemTimers });
  }
  const metrics = options.metrics ?? noMetrics;
  const readMetrics = async () => ({});
  let deliver: (message: FromNode) => void = () => {};
  const host = await openHost({
    setup,
    stateMachine,
    logger,
    metrics,
    limits,
    readMetrics,
    deliver: (message) => deliver(message),
  });
  return (deliverTo) => {
    deliver = deliverTo;
    void host.start();
    return { send: (message) => host.onMessage(message), close: async () => {} };
  };
}

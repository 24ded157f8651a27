import { openArbiter } from "../replication/arbiter/index.js";
import { openHaStandby } from "../replication/ha-standby/index.js";
import type { LogStore, StateMachine } from "../replication/ports/index.js";
import type { Logger, Metrics } from "../runtime/index.js";
import {
  nodeFileSystem,
  nodeHttpClient,
  nodeNetwork,
  systemClock,
  systemRandom,
  systemTimers,
} from "../runtime/node/index.js";
import { createTransport } from "../transport/index.js";
import type { HaSetup, NodeSetup } from "./node-setup.js";

const HANDSHAKE_MS_MIN = 1_000;

/** The transport and the arbiter are the mode's from then on. */
export function openHaMode(
  parts: {
    readonly setup: NodeSetup;
    readonly stateMachine: StateMachine;
    readonly logger: Logger;
    readonly metrics: Metrics;
  },
  { settings, port, arbiter, dial }: HaSetup,
  log: LogStore,
) {
  const { setup, stateMachine, logger, metrics } = parts;
  const { nodeId, clusterId, diskId } = setup.identity;
  const ports = { clock: systemClock, timers: systemTimers, random: systemRandom, logger, metrics };
  const transport = createTransport({
    nodeId,
    clusterId,
    ...port,
    legacyPeers: settings.open === true,
    limits: {
      backoffMinMs: Math.min(dial.minMs, dial.maxMs),
      backoffMaxMs: dial.maxMs,
      handshakeTimeoutMs: Math.max(HANDSHAKE_MS_MIN, settings.failoverTimeoutMs),
    },
    network: nodeNetwork(),
    ...ports,
  });
  return openHaStandby({
    nodeId,
    diskId,
    settings,
    directory: setup.directory,
    log,
    stateMachine,
    transport,
    arbiter: openArbiter(arbiter, { transport, http: nodeHttpClient(), timers: systemTimers }),
    fileSystem: nodeFileSystem(),
    ...ports,
  });
}

import { type NodeId, parseNodeId } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";
import { type MultiRegionSettings, openMultiRegion } from "../replication/multi-region/index.js";
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
import { encodeRegionOperation, keysOfCommand } from "../storage/index.js";
import { createTransport } from "../transport/index.js";
import type { NodeSetup, RaftSetup } from "./node-setup.js";

export interface OpenRaftModeParts {
  readonly setup: NodeSetup;
  readonly stateMachine: StateMachine;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The transport is the mode's from then on. */
export function openRaftMode(parts: OpenRaftModeParts, setup: RaftSetup, log: LogStore) {
  return openRaft(memberParts(parts, setup, log, {}));
}

/** One of several regions; both transports are the mode's from then on. */
export function openRegionMode(
  parts: OpenRaftModeParts,
  setup: RaftSetup,
  region: MultiRegionSettings,
  log: LogStore,
) {
  const { nodeId, clusterId } = parts.setup.identity;
  const links = createTransport({
    ...transportPorts(parts),
    nodeId: nameAbroad(region, nodeId),
    clusterId,
    ...setup.port,
    limits: FAR_DIAL_LIMITS,
  });
  return openMultiRegion({
    ...memberParts(parts, setup, log, FAR_ACCEPT_LIMITS),
    region,
    links,
    encode: encodeRegionOperation,
  });
}

/**
 * WI-7: nodes of two regions may have the same name, and must not push each other out of a place.
 * @throws ReplicationError `INVALID` when the two names together are too long for one
 */
export function nameAbroad({ self }: Pick<MultiRegionSettings, "self">, nodeId: NodeId): NodeId {
  const name = parseNodeId(`${self}.${nodeId}`);
  if (name !== undefined) return name;
  throw new ReplicationError("INVALID", `${self}.${nodeId} is too long for a name`, {
    field: "NORNICDB_CLUSTER_REGION_ID",
  });
}

function transportPorts({ logger, metrics }: OpenRaftModeParts) {
  return {
    network: nodeNetwork(),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    logger,
    metrics,
  };
}

function memberParts(
  parts: OpenRaftModeParts,
  { settings, port }: RaftSetup,
  log: LogStore,
  accept: Partial<typeof FAR_ACCEPT_LIMITS>,
) {
  const { nodeId, clusterId, diskId } = parts.setup.identity;
  const ports = transportPorts(parts);
  const transport = createTransport({
    ...ports,
    nodeId,
    clusterId,
    ...port,
    limits: { ...dialLimits(settings.electionTimeoutMs), ...accept },
  });
  return {
    ...ports,
    nodeId,
    diskId,
    settings,
    directory: parts.setup.directory,
    log,
    stateMachine: parts.stateMachine,
    transport,
    fileSystem: nodeFileSystem(),
    keysOf: keysOfCommand,
  };
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

/** Regions may be 2.5 s apart each way: two ways for a greeting, and as many for a sign of life. */
const FAR_GREETING_MS = 15_000;
const FAR_PING_MS = 5_000;
/** One way there and back; questions that were lost are repeated ever later, so it begins anew soon. */
const FAR_CONNECT_MS = 6_000;
const FAR_REDIAL_MS_MAX = 500;

const FAR_DIAL_LIMITS = {
  backoffMinMs: REDIAL_MS_MIN,
  backoffMaxMs: FAR_REDIAL_MS_MAX,
  connectTimeoutMs: FAR_CONNECT_MS,
  handshakeTimeoutMs: FAR_GREETING_MS,
  pingIntervalMs: FAR_PING_MS,
};

const FAR_ACCEPT_LIMITS = {
  acceptTimeoutMs: FAR_GREETING_MS,
  acceptPingIntervalMs: FAR_PING_MS,
};

import { type NodeId, parseNodeId } from "../base/index.js";
import { type Config, formatHostPort } from "../config/index.js";
import type { HaSettings, PeerAddress } from "../replication/ha-standby/index.js";
import { ReplicationError } from "../replication/index.js";
import { arbiterSettings } from "./arbiter-settings.js";
import { logFolder } from "./data-layout.js";
import type { StoredIdentity } from "./node-identity.js";
import { type NodeSetup, toPort } from "./node-setup.js";

/** @throws ReplicationError `INVALID` for files or names that cannot be used */
export function toHaSetup(config: Config, identity: StoredIdentity): NodeSetup {
  const directory = config.cluster.dataDir;
  const { reconnectIntervalMs: minMs, maxReconnectBackoffMs: maxMs } = config.ha;
  const port = toPort(config);
  // NornicDB nodes can neither prove who they are nor say their name.
  const isOpen = port.secret === undefined && port.tls === undefined;
  return {
    identity,
    directory,
    logDirectory: logFolder({ replicationDir: directory }),
    ha: {
      settings: { ...haSettings(config, identity), open: isOpen && config.ha.peer !== null },
      port,
      arbiter: arbiterSettings(config, identity.clusterId),
      dial: { minMs, maxMs },
    },
  };
}

function haSettings(config: Config, identity: StoredIdentity): HaSettings {
  const { ha, cluster, logKeeping } = config;
  return {
    ...whoIsWho(config, identity.nodeId),
    startsAsPrimary: ha.role === "primary",
    arbiter: ha.arbiter,
    policy: ha.partitionPolicy,
    syncMode: ha.syncMode,
    fallbackMs: ha.syncFallback.kind === "refuse" ? null : ha.syncFallback.afterMs,
    autoFailover: ha.autoFailover,
    heartbeatMs: ha.heartbeatMs,
    failoverTimeoutMs: ha.failoverTimeoutMs,
    leaseTtlMs: ha.leaseTtlMs,
    batchEntriesMax: ha.walBatchEntries,
    batchTimeoutMs: ha.walBatchTimeoutMs,
    retryMs: logKeeping.commitTimeoutMs,
    verifyIntervalMs: cluster.verifyIntervalMs,
  };
}

/** With one peer that is known by its address alone, both are called by their addresses. */
function whoIsWho({ ha, cluster }: Config, nodeId: NodeId) {
  const address = formatHostPort(cluster.advertise);
  if (ha.peer !== null) {
    const peer = formatHostPort(ha.peer);
    return {
      own: { id: nameOf(address), address },
      peers: [{ id: nameOf(peer), address: peer }],
      named: false,
    };
  }
  const peers = ha.peers
    .filter((peer) => peer.id !== nodeId)
    .map((peer): PeerAddress => {
      const id = parseNodeId(peer.id);
      if (id !== undefined) return { id, address: formatHostPort(peer) };
      throw new ReplicationError("INVALID", `${peer.id} is not a node id`, {
        field: "NORNICDB_CLUSTER_HA_PEERS",
      });
    });
  return { own: { id: nodeId, address }, peers, named: true };
}

/** `127.0.0.1:7688` is `127.0.0.1_7688`; undefined when that is too long for a name. */
export function addressAsName(address: string): NodeId | undefined {
  return parseNodeId(address.replace(/[^A-Za-z0-9.-]/g, "_"));
}

function nameOf(address: string): NodeId {
  const id = addressAsName(address);
  if (id !== undefined) return id;
  throw new ReplicationError("INVALID", `${address} is too long for a name`, {
    field: "NORNICDB_CLUSTER_HA_PEER_ADDR",
    hint: "use NORNICDB_CLUSTER_HA_PEERS, which names the nodes",
  });
}

import { readFileSync } from "node:fs";
import { parseNodeId, parseRegionId, type RegionId } from "../base/index.js";
import type { Config } from "../config/index.js";
import { formatHostPort } from "../config/index.js";
import type { ArbiterSettings } from "../replication/arbiter/index.js";
import type { HaSettings } from "../replication/ha-standby/index.js";
import { ReplicationError } from "../replication/index.js";
import type { MultiRegionSettings } from "../replication/multi-region/index.js";
import type { RaftSettings } from "../replication/raft/index.js";
import type { Address, TlsOptions } from "../runtime/index.js";
import { logFolder } from "./data-layout.js";
import type { StoredIdentity } from "./node-identity.js";

/** The cluster port and how peers prove who they are. */
export interface ClusterPort {
  readonly listen: Address;
  readonly secret: Uint8Array | undefined;
  readonly tls: TlsOptions | undefined;
  readonly insecure: boolean;
}

/** What a node of a pair is told. */
export interface HaSetup {
  readonly settings: HaSettings;
  readonly port: ClusterPort;
  readonly arbiter: ArbiterSettings;
  /** Between two attempts to reach a peer, at first and at most. */
  readonly dial: { readonly minMs: number; readonly maxMs: number };
}

/** What a member of a cluster is told. */
export interface RaftSetup {
  readonly settings: RaftSettings;
  readonly port: ClusterPort;
  /** The cluster is one of several regions. */
  readonly region?: MultiRegionSettings | undefined;
}

/** All that a node's thread needs to build its node; plain data, so that it can be another thread. */
export interface NodeSetup {
  readonly identity: StoredIdentity;
  /** Folder of the log and of what else the mode keeps. */
  readonly directory: string;
  readonly logDirectory: string;
  /** Neither this nor the next: one node alone. */
  readonly raft?: RaftSetup | undefined;
  /** Of a primary with its standbys. */
  readonly ha?: HaSetup | undefined;
}

/**
 * @param resolves - the storage decides conflicts between regions by a function of its user's
 * @throws ReplicationError `INVALID` for files of the configuration that cannot be read
 */
export function toNodeSetup(config: Config, identity: StoredIdentity, resolves = false): NodeSetup {
  const directory = config.cluster.dataDir;
  const common = { identity, directory, logDirectory: logFolder({ replicationDir: directory }) };
  if (config.mode === "standalone") return common;
  const raft = { settings: raftSettings(config, identity), port: toPort(config) };
  if (config.mode !== "multi_region") return { ...common, raft };
  const region = regionSettings(config);
  if (!resolves) return { ...common, raft: { ...raft, region } };
  return { ...common, raft: { ...raft, region: { ...region, strategy: "resolver" } } };
}

function regionSettings({ region }: Config): MultiRegionSettings {
  const remotes = region.remotes.map((remote) => ({
    region: toRegion(remote.id, "NORNICDB_CLUSTER_REMOTE_REGIONS"),
    address: formatHostPort(remote),
  }));
  return {
    self: toRegion(region.id ?? "", "NORNICDB_CLUSTER_REGION_ID"),
    remotes,
    mode: region.mode,
    batchChanges: region.batchSize,
    batchMs: region.batchTimeoutMs,
    strategy: region.conflictStrategy,
    driftMsMax: region.clockDriftMs,
    tombstoneMs: region.tombstoneMs,
    keptChangesMax: region.keptChangesMax,
  };
}

function toRegion(name: string, field: string): RegionId {
  const region = parseRegionId(name);
  if (region !== undefined) return region;
  throw new ReplicationError("INVALID", `${JSON.stringify(name)} is not a region's name`, {
    field,
  });
}

function raftSettings({ raft, cluster, logKeeping }: Config, identity: StoredIdentity) {
  const address = formatHostPort(cluster.advertise);
  const others = raft.peers.filter((peer) => peer.id !== identity.nodeId);
  const founders = [
    { id: identity.nodeId, address },
    ...others.map((peer) => {
      const id = parseNodeId(peer.id);
      if (id !== undefined) return { id, address: formatHostPort(peer) };
      throw new ReplicationError("INVALID", `${peer.id} is not a node id`, {
        field: "NORNICDB_CLUSTER_RAFT_PEERS",
      });
    }),
  ];
  return {
    bootstrap: raft.bootstrap,
    founders,
    address,
    electionTimeoutMs: raft.electionTimeoutMs,
    heartbeatMs: raft.heartbeatMs,
    leaderLeaseMs: raft.leaderLeaseMs,
    inflightMessagesMax: raft.maxInflight,
    retryMs: logKeeping.commitTimeoutMs,
    verifyIntervalMs: cluster.verifyIntervalMs,
  };
}

/** @throws ReplicationError `INVALID` for files that cannot be read */
export function toPort({ cluster, tls }: Config): ClusterPort {
  const { bind, secret, secretFile, insecure } = cluster;
  const text =
    secretFile === null
      ? secret?.reveal()
      : read(secretFile, "NORNICDB_CLUSTER_SECRET_FILE").trim();
  const proven = text !== undefined || tls.enabled;
  return {
    listen: bind,
    secret: text === undefined ? undefined : new Uint8Array(Buffer.from(text, "utf8")),
    tls: tls.enabled ? toTls(tls) : undefined,
    // The configuration has refused an unproven port that others can reach.
    insecure: insecure || !proven,
  };
}

function toTls(tls: Config["tls"]): TlsOptions {
  return {
    certificate: read(tls.certFile ?? "", "NORNICDB_CLUSTER_TLS_CERT_FILE"),
    key: read(tls.keyFile ?? "", "NORNICDB_CLUSTER_TLS_KEY_FILE"),
    authority: tls.caFile === null ? "" : read(tls.caFile, "NORNICDB_CLUSTER_TLS_CA_FILE"),
    verifyPeer: tls.verifyClient && !tls.insecureSkipVerify,
    serverName: tls.serverName ?? undefined,
    minVersion: tls.minVersion === "1.3" ? "TLSv1.3" : "TLSv1.2",
    cipherSuites: tls.cipherSuites.length === 0 ? undefined : tls.cipherSuites.join(":"),
  };
}

function read(path: string, field: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ReplicationError(
      "INVALID",
      `${field} cannot be read: ${reason}`,
      { field },
      { cause },
    );
  }
}

import type { Mode, ReadLevel } from "../replication/replicator.js";
import type { HostPort, PeerAddress } from "./address.js";
import type { Auth, SyncFallback } from "./kinds.js";
import type { Secret } from "./secret.js";
import type { Values } from "./settings.js";

export interface EndpointConfig {
  readonly enabled: boolean;
  readonly address: HostPort;
  readonly advertise: HostPort | null;
}

export interface ClusterConfig {
  readonly clusterId: string;
  readonly bind: HostPort;
  /** Never a wildcard in a clustered mode. */
  readonly advertise: HostPort;
  /** Folder of the replication log. */
  readonly dataDir: string;
  readonly secret: Secret | null;
  /** To be read by whoever starts the node; never given together with `secret`. */
  readonly secretFile: string | null;
  readonly insecure: boolean;
  /** Entries a read at `ONE` may be behind; null: any number. */
  readonly maxLagEntries: number | null;
  readonly verifyIntervalMs: number;
  readonly threads: "worker" | "single";
  readonly writeConsistency: Values["cluster.write_consistency"];
  readonly readConsistency: ReadLevel;
}

export interface RaftConfig {
  readonly bootstrap: boolean;
  readonly learner: boolean;
  readonly peers: readonly PeerAddress[];
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leaderLeaseMs: number;
  readonly maxAppendEntries: number;
  readonly maxInflight: number;
}

/** What every mode does with its log. */
export interface LogKeepingConfig {
  readonly snapshotIntervalMs: number;
  readonly snapshotThresholdEntries: number;
  readonly trailingEntries: number;
  readonly snapshotsRetained: number;
  /** Longest wait of a write whose caller names none. */
  readonly commitTimeoutMs: number;
}

export interface HaConfig {
  readonly role: "primary" | "standby" | null;
  readonly peer: HostPort | null;
  readonly peers: readonly PeerAddress[];
  readonly syncMode: "async" | "semi_sync" | "sync";
  readonly syncFallback: SyncFallback;
  readonly heartbeatMs: number;
  readonly failoverTimeoutMs: number;
  readonly autoFailover: boolean;
  readonly walBatchEntries: number;
  readonly walBatchTimeoutMs: number;
  readonly reconnectIntervalMs: number;
  readonly maxReconnectBackoffMs: number;
  readonly arbiter: "peer" | "witness" | "etcd";
  readonly arbiterAddresses: readonly HostPort[];
  readonly arbiterAuth: Auth;
  readonly leaseTtlMs: number;
  readonly partitionPolicy: "consistency" | "availability";
}

export interface RegionConfig {
  readonly id: string | null;
  readonly remotes: readonly PeerAddress[];
  readonly mode: "async" | "semi_sync";
  readonly batchSize: number;
  readonly batchTimeoutMs: number;
  readonly conflictStrategy: "last_write_wins" | "first_write_wins" | "manual";
  /** 0: no region is ever given up by itself. */
  readonly keptChangesMax: number;
  readonly clockDriftMs: number;
  readonly tombstoneMs: number;
}

export interface TlsConfig {
  readonly enabled: boolean;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly caFile: string | null;
  readonly verifyClient: boolean;
  readonly insecureSkipVerify: boolean;
  readonly serverName: string | null;
  readonly minVersion: "1.2" | "1.3";
  readonly cipherSuites: readonly string[];
}

/** Everything a node is told, checked and frozen. Times are milliseconds. */
export interface Config {
  readonly mode: Mode;
  /** No node: a holder of leases. */
  readonly witness: boolean;
  /** null: made at first start and kept in the data folder. */
  readonly nodeId: string | null;
  readonly dataDir: string;
  readonly diskReserveBytes: number;
  readonly http: EndpointConfig;
  readonly bolt: EndpointConfig;
  readonly sql: EndpointConfig;
  readonly auth: Auth;
  readonly authTokensFile: string | null;
  readonly log: {
    readonly level: "debug" | "info" | "warn" | "error";
    readonly format: "json" | "pretty";
  };
  readonly cluster: ClusterConfig;
  readonly logKeeping: LogKeepingConfig;
  readonly raft: RaftConfig;
  readonly ha: HaConfig;
  readonly region: RegionConfig;
  readonly tls: TlsConfig;
}

/** What follows from more than one setting, or from the machine. */
export interface Derived {
  readonly advertise: HostPort;
  readonly logDir: string;
}

function endpoint(v: Values, program: "http" | "bolt" | "sql"): EndpointConfig {
  return {
    enabled: v[`${program}.enabled`],
    address: v[`${program}.addr`],
    advertise: v[`${program}.advertise_addr`],
  };
}

export function defaultReadLevel(mode: Mode): ReadLevel {
  return mode === "raft" || mode === "multi_region" ? "LEADER" : "ONE";
}

export function buildConfig(v: Values, derived: Derived): Config {
  const mode = v["cluster.mode"];
  return deepFreeze({
    mode,
    witness: v.witness,
    nodeId: v["cluster.node_id"],
    dataDir: v.data_dir,
    diskReserveBytes: v.disk_reserve_bytes,
    http: endpoint(v, "http"),
    bolt: endpoint(v, "bolt"),
    sql: endpoint(v, "sql"),
    auth: v.auth,
    authTokensFile: v.auth_tokens_file,
    log: { level: v["log.level"], format: v["log.format"] },
    cluster: {
      clusterId: v["cluster.raft.cluster_id"],
      bind: v["cluster.bind_addr"],
      advertise: derived.advertise,
      dataDir: derived.logDir,
      secret: v["cluster.secret"],
      secretFile: v["cluster.secret_file"],
      insecure: v["cluster.insecure"],
      maxLagEntries: v["cluster.max_lag"],
      verifyIntervalMs: v["cluster.verify_interval"],
      threads: v["cluster.threads"],
      writeConsistency: v["cluster.write_consistency"],
      readConsistency: v["cluster.read_consistency"] ?? defaultReadLevel(mode),
    },
    logKeeping: {
      snapshotIntervalMs: v["cluster.raft.snapshot_interval"],
      snapshotThresholdEntries: v["cluster.raft.snapshot_threshold"],
      trailingEntries: v["cluster.raft.trailing_logs"],
      snapshotsRetained: v["cluster.raft.snapshot_retain"],
      commitTimeoutMs: v["cluster.raft.commit_timeout"],
    },
    raft: buildRaft(v),
    ha: buildHa(v),
    region: {
      id: v["cluster.region_id"],
      remotes: v["cluster.remote_regions"],
      mode: v["cluster.cross_region_mode"],
      batchSize: v["cluster.cross_region_batch_size"],
      batchTimeoutMs: v["cluster.cross_region_batch_timeout"],
      conflictStrategy: v["cluster.conflict_strategy"],
      keptChangesMax: v["cluster.cross_region_kept_changes"],
      clockDriftMs: v["cluster.region_clock_drift"],
      tombstoneMs: v["cluster.tombstone_retention"],
    },
    tls: buildTls(v),
  });
}

function buildRaft(v: Values): RaftConfig {
  return {
    bootstrap: v["cluster.raft.bootstrap"],
    learner: v["cluster.raft.learner"],
    peers: v["cluster.raft.peers"],
    electionTimeoutMs: v["cluster.raft.election_timeout"],
    heartbeatMs: v["cluster.raft.heartbeat_timeout"],
    leaderLeaseMs: v["cluster.raft.leader_lease_timeout"],
    maxAppendEntries: v["cluster.raft.max_append_entries"],
    maxInflight: v["cluster.raft.max_inflight_logs"],
  };
}

function buildHa(v: Values): HaConfig {
  return {
    role: v["cluster.ha.role"],
    peer: v["cluster.ha.peer_addr"],
    peers: v["cluster.ha.peers"],
    syncMode: v["cluster.ha.sync_mode"],
    syncFallback: v["cluster.ha.sync_fallback"],
    heartbeatMs: v["cluster.ha.heartbeat_ms"],
    failoverTimeoutMs: v["cluster.ha.failover_timeout"],
    autoFailover: v["cluster.ha.auto_failover"],
    walBatchEntries: v["cluster.ha.wal_batch_size"],
    walBatchTimeoutMs: v["cluster.ha.wal_batch_timeout"],
    reconnectIntervalMs: v["cluster.ha.reconnect_interval"],
    maxReconnectBackoffMs: v["cluster.ha.max_reconnect_backoff"],
    arbiter: v["cluster.ha.arbiter"],
    arbiterAddresses: v["cluster.ha.arbiter_addr"],
    arbiterAuth: v["cluster.ha.arbiter_auth"],
    leaseTtlMs: v["cluster.ha.lease_ttl"],
    partitionPolicy: v["cluster.ha.partition_policy"],
  };
}

function buildTls(v: Values): TlsConfig {
  return {
    enabled: v["cluster.tls.enabled"],
    certFile: v["cluster.tls.cert_file"],
    keyFile: v["cluster.tls.key_file"],
    caFile: v["cluster.tls.ca_file"],
    verifyClient: v["cluster.tls.verify_client"],
    insecureSkipVerify: v["cluster.tls.insecure_skip_verify"],
    serverName: v["cluster.tls.server_name"],
    minVersion: v["cluster.tls.min_version"],
    cipherSuites: v["cluster.tls.cipher_suites"],
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}

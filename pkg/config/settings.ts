import { MODES, type Mode, READ_LEVELS } from "../replication/replicator.js";
import {
  auth,
  bool,
  choice,
  count,
  duration,
  type Kind,
  list,
  listenAddress,
  name,
  peer,
  remoteAddress,
  secret,
  syncFallback,
  text,
} from "./kinds.js";

/** One setting; its name is its path in the YAML file, and its variable follows from that. */
export interface Setting<T> {
  readonly kind: Kind<T>;
  /** As it would be written; null when the setting may be left out and then has no value. */
  readonly default: string | null;
  /** Shown instead of `default` where the real one follows from other settings. */
  readonly defaultNote?: string;
  readonly doc: string;
  readonly flag?: string;
  readonly secret?: true;
  /** Where it matters; everywhere when missing. */
  readonly modes?: readonly Mode[];
}

type Given<T> = Omit<Setting<T>, "default">;

function setting<T>(kind: Kind<T>, fallback: string, doc: string, more: Partial<Given<T>> = {}) {
  return { kind, default: fallback, doc, ...more } satisfies Setting<T> as Setting<T>;
}

function optional<T>(kind: Kind<T>, doc: string, more: Partial<Given<T>> = {}): Setting<T | null> {
  return { kind, default: null, doc, ...more } as Setting<T | null>;
}

const CLUSTERED: readonly Mode[] = ["ha_standby", "raft", "multi_region"];
const HA = { modes: ["ha_standby"] } as const;
const RAFT = { modes: ["raft", "multi_region"] } as const;
const REGIONS = { modes: ["multi_region"] } as const;
const MINUTE = 60_000;
const DAY = 86_400_000;

const timing = (maxMs = MINUTE) => duration({ minMs: 1, maxMs });

/** Every setting there is. Loader, origins, documentation and schema are made from this table. */
export const SETTINGS = {
  data_dir: setting(text, "./data", "Folder of the log, the store and the node's identity.", {
    flag: "data-dir",
  }),
  disk_reserve_bytes: setting(
    count(0, 1e12),
    "16777216",
    "Free space under which writes are refused, before the disk is full.",
  ),
  auth: setting(auth, "none", "Who may use HTTP, Bolt and SQL: `none` or `user:password`.", {
    secret: true,
  }),
  auth_tokens_file: optional(text, "File with one bearer token and its rights per line."),
  witness: setting(bool, "false", "Hold the leases of standby pairs, and nothing else.", {
    flag: "witness",
  }),

  "http.enabled": setting(bool, "true", "Serve HTTP."),
  "http.addr": setting(listenAddress, "127.0.0.1:7474", "Where HTTP listens; port 0 picks one."),
  "http.advertise_addr": optional(remoteAddress, "Where clients reach HTTP; the listen address."),
  "bolt.enabled": setting(bool, "true", "Serve Bolt."),
  "bolt.addr": setting(listenAddress, "127.0.0.1:7687", "Where Bolt listens; port 0 picks one."),
  "bolt.advertise_addr": optional(remoteAddress, "Where clients reach Bolt; the listen address."),
  "sql.enabled": setting(bool, "false", "Serve the PostgreSQL protocol."),
  "sql.addr": setting(listenAddress, "127.0.0.1:5432", "Where SQL listens; port 0 picks one."),
  "sql.advertise_addr": optional(remoteAddress, "Where clients reach SQL; the listen address."),

  "log.level": setting(choice("debug", "info", "warn", "error"), "info", "Least level logged."),
  "log.format": setting(choice("json", "pretty"), "json", "One JSON object a line, or for people."),

  "cluster.mode": setting(choice(...MODES), "standalone", "How writes are replicated.", {
    flag: "mode",
  }),
  "cluster.node_id": optional(name, "Name of this node; made once and kept in the data folder.", {
    flag: "node-id",
    defaultNote: "(generated)",
  }),
  "cluster.bind_addr": setting(listenAddress, "0.0.0.0:7688", "Where peers connect to.", {
    modes: CLUSTERED,
  }),
  "cluster.advertise_addr": optional(remoteAddress, "How peers reach this node.", {
    modes: CLUSTERED,
    defaultNote: "(bind_addr)",
  }),
  "cluster.data_dir": setting(text, "./data/replication", "Folder of the replication log.", {
    defaultNote: "(data_dir)/replication",
  }),
  "cluster.secret": optional(secret, "Shared by all nodes: proves peers and seals frames.", {
    secret: true,
    modes: CLUSTERED,
  }),
  "cluster.secret_file": optional(text, "File that holds the secret.", { modes: CLUSTERED }),
  "cluster.insecure": setting(bool, "false", "Waive TLS and secret on a reachable cluster port.", {
    modes: CLUSTERED,
  }),
  "cluster.max_lag": optional(count(0, 1e12), "Entries a read at ONE may be behind, at most.", {
    defaultNote: "(no limit)",
  }),
  "cluster.verify_interval": setting(
    duration({ minMs: 1_000, maxMs: DAY }),
    "30s",
    "Time between two rounds that compare replicas.",
    { modes: CLUSTERED },
  ),
  "cluster.threads": setting(
    choice("worker", "single"),
    "worker",
    "Replication in a thread of its own, or in the main one.",
  ),

  "cluster.ha.role": optional(choice("primary", "standby"), "Role at first start.", HA),
  "cluster.ha.peer_addr": optional(remoteAddress, "The other node.", HA),
  "cluster.ha.peers": setting(list(peer), "", "Several standbys, instead of one peer.", HA),
  "cluster.ha.sync_mode": setting(
    choice("async", "semi_sync", "sync"),
    "semi_sync",
    "What a write waits for: this disk, a standby's memory, every in-sync standby's disk.",
    HA,
  ),
  "cluster.ha.sync_fallback": setting(
    syncFallback,
    "refuse",
    "What `sync` does without a standby: refuse, or go on alone after a while.",
    HA,
  ),
  "cluster.ha.heartbeat_ms": setting(
    duration({ minMs: 10, maxMs: MINUTE, bare: "ms" }),
    "1000",
    "Time between two heartbeats.",
    HA,
  ),
  "cluster.ha.failover_timeout": setting(
    duration({ minMs: 100, maxMs: 10 * MINUTE }),
    "5s",
    "Silence after which the primary counts as lost.",
    HA,
  ),
  "cluster.ha.auto_failover": setting(bool, "true", "Promote without an operator.", HA),
  "cluster.ha.wal_batch_size": setting(count(1, 100_000), "1000", "Entries a batch, at most.", HA),
  "cluster.ha.wal_batch_timeout": setting(
    timing(),
    "10ms",
    "Within this long entries leave for a standby in `async`; in the other modes at once.",
    HA,
  ),
  "cluster.ha.reconnect_interval": setting(timing(), "200ms", "First wait before a retry.", HA),
  "cluster.ha.max_reconnect_backoff": setting(timing(), "5s", "Longest wait before a retry.", HA),
  "cluster.ha.arbiter": setting(
    choice("peer", "witness", "etcd"),
    "peer",
    "Who decides which node is primary.",
    HA,
  ),
  "cluster.ha.arbiter_addr": setting(list(remoteAddress), "", "Where the arbiter is.", HA),
  "cluster.ha.arbiter_auth": setting(auth, "none", "Login at etcd: `none` or `user:password`.", {
    secret: true,
    ...HA,
  }),
  "cluster.ha.lease_ttl": setting(
    duration({ minMs: 100, maxMs: MINUTE }),
    "3s",
    "How long a primary may write on one lease.",
    HA,
  ),
  "cluster.ha.partition_policy": setting(
    choice("consistency", "availability"),
    "consistency",
    "Two nodes and no arbiter: stop writing alone, or go on and risk two primaries.",
    HA,
  ),

  "cluster.raft.cluster_id": setting(name, "nornicdb", "Name of the cluster; peers must agree.", {
    modes: CLUSTERED,
  }),
  "cluster.raft.bootstrap": setting(
    bool,
    "false",
    "May found the cluster of itself and peers.",
    RAFT,
  ),
  "cluster.raft.learner": setting(
    bool,
    "false",
    "Not used: `member add --learner` joins a node without a vote.",
    RAFT,
  ),
  "cluster.raft.peers": setting(list(peer), "", "The voters at the founding.", RAFT),
  "cluster.raft.election_timeout": setting(
    duration({ minMs: 10, maxMs: 10 * MINUTE }),
    "1s",
    "Silence after which an election begins; each node adds up to half as much.",
    RAFT,
  ),
  "cluster.raft.heartbeat_timeout": setting(timing(), "100ms", "Time between heartbeats.", RAFT),
  "cluster.raft.leader_lease_timeout": setting(
    timing(10 * MINUTE),
    "500ms",
    "How long a leader may answer reads on one round of heartbeats.",
    RAFT,
  ),
  "cluster.raft.snapshot_interval": setting(
    duration({ minMs: 1_000, maxMs: 7 * DAY, bare: "s" }),
    "300",
    "Not used: the log is looked at every second.",
  ),
  "cluster.raft.snapshot_threshold": setting(
    count(1, 1e9),
    "10000",
    "Entries since the last snapshot that make one due.",
  ),
  "cluster.raft.trailing_logs": setting(
    count(0, 1e9),
    "10000",
    "Entries kept behind a snapshot for slow followers.",
  ),
  "cluster.raft.max_append_entries": setting(
    count(1, 100_000),
    "64",
    "Not used: a bound in bytes decides.",
    RAFT,
  ),
  "cluster.raft.commit_timeout": setting(
    duration({ minMs: 1, maxMs: 10 * MINUTE }),
    "5s",
    "Longest wait of a write whose caller names none.",
  ),
  "cluster.raft.max_inflight_logs": setting(
    count(1, 1_000_000),
    "512",
    "Messages under way to one follower, at most.",
    RAFT,
  ),
  "cluster.raft.snapshot_retain": setting(
    count(1, 100),
    "3",
    "Not used: a copy is made when a follower needs one.",
  ),

  "cluster.region_id": optional(name, "Name of this node's region.", REGIONS),
  "cluster.remote_regions": setting(
    list(peer),
    "",
    "Other regions, `region:host:port`; a region may be listed with several addresses.",
    REGIONS,
  ),
  "cluster.cross_region_mode": setting(
    choice("async", "semi_sync"),
    "async",
    "Whether a write waits for another region.",
    REGIONS,
  ),
  "cluster.cross_region_batch_size": setting(count(1, 100_000), "100", "Changes a batch.", REGIONS),
  "cluster.cross_region_batch_timeout": setting(timing(), "100ms", "Wait for a batch.", REGIONS),
  "cluster.cross_region_kept_changes": setting(
    count(0, 1e12),
    "0",
    "Changes kept for a region that does not take them before it is given up; 0: it never is.",
    REGIONS,
  ),
  "cluster.region_clock_drift": setting(
    duration({ minMs: 0, maxMs: DAY }),
    "10s",
    "How far another region's clock may be ahead before it is reported, and not followed.",
    REGIONS,
  ),
  "cluster.tombstone_retention": setting(
    duration({ minMs: 0, maxMs: 365 * DAY }),
    "24h",
    "How long what was deleted is remembered, at least; longer while a region has not seen it.",
    REGIONS,
  ),
  "cluster.conflict_strategy": setting(
    choice("last_write_wins", "first_write_wins", "manual"),
    "last_write_wins",
    "Which of two concurrent writes in two regions stays.",
    REGIONS,
  ),
  "cluster.write_consistency": setting(
    choice("ONE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM"),
    "QUORUM",
    "What a write waits for when it does not say.",
  ),
  "cluster.read_consistency": optional(
    choice(...READ_LEVELS),
    "What a read waits for when it does not say.",
    { defaultNote: "ONE; LEADER in raft and multi_region" },
  ),

  "cluster.tls.enabled": setting(bool, "false", "TLS between nodes.", { modes: CLUSTERED }),
  "cluster.tls.cert_file": optional(text, "PEM certificate of this node.", { modes: CLUSTERED }),
  "cluster.tls.key_file": optional(text, "PEM key of that certificate.", { modes: CLUSTERED }),
  "cluster.tls.ca_file": optional(text, "PEM authorities that peers are checked against.", {
    modes: CLUSTERED,
  }),
  "cluster.tls.verify_client": setting(bool, "true", "Peers must show a certificate.", {
    modes: CLUSTERED,
  }),
  "cluster.tls.insecure_skip_verify": setting(bool, "false", "Do not check whom we dial.", {
    modes: CLUSTERED,
  }),
  "cluster.tls.server_name": optional(text, "Name expected in peers' certificates.", {
    modes: CLUSTERED,
  }),
  "cluster.tls.min_version": setting(choice("1.2", "1.3"), "1.2", "Oldest TLS spoken.", {
    modes: CLUSTERED,
  }),
  "cluster.tls.cipher_suites": setting(list(text), "", "Suites, in order of preference.", {
    modes: CLUSTERED,
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** The value of each setting, once read. */
export type Values = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

export function settingOf(setting: SettingName): Setting<unknown> {
  return SETTINGS[setting] as Setting<unknown>;
}

/** `cluster.raft.peers` is read from `NORNICDB_CLUSTER_RAFT_PEERS`. */
export function environmentName(setting: SettingName): string {
  return `NORNICDB_${setting.toUpperCase().replaceAll(".", "_")}`;
}

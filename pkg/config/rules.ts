import { formatHostPort, type HostPort, isLoopback, isWildcard } from "./address.js";
import type { SettingName, Values } from "./settings.js";

/** A rule that settings break together; blamed on the one that is easiest to change. */
export interface Breach {
  readonly setting: SettingName;
  readonly sentence: string;
  readonly warning?: true;
}

/** Beside the own one. */
const REMOTE_REGIONS_MAX = 15;
/** One primary and its standbys. */
const HA_NODES_MAX = 15;

type Report = (setting: SettingName, sentence: string, warning?: true) => void;

/** Rules between settings. `name` spells a setting as its user would. */
export function checkRules(v: Values, name: (setting: SettingName) => string): Breach[] {
  const breaches: Breach[] = [];
  const report: Report = (setting, sentence, warning) =>
    breaches.push({ setting, sentence, ...(warning ? { warning } : {}) });
  const mode = v["cluster.mode"];
  checkFrontends(v, report, name);
  checkSecrets(v, report, name);
  if (v.witness) {
    checkWitness(v, report, name);
    return breaches;
  }
  if (mode === "standalone") return breaches;
  checkReachability(v, report, name);
  if (mode === "raft" || mode === "multi_region") checkRaft(v, report, name);
  if (mode === "ha_standby") checkHa(v, report, name);
  if (mode === "multi_region") checkRegions(v, report, name);
  return breaches;
}

function checkWitness(v: Values, report: Report, name: (s: SettingName) => string): void {
  if (v["cluster.mode"] !== "standalone") {
    const other = `${name("cluster.mode")}=${v["cluster.mode"]}`;
    report("witness", `excludes ${other}: a witness is a process of its own, without data`);
  }
  checkReachability(v, report, name);
}

function checkFrontends(v: Values, report: Report, name: (s: SettingName) => string): void {
  const seen = new Map<string, SettingName>();
  for (const program of ["http", "bolt", "sql"] as const) {
    if (!v[`${program}.enabled`]) continue;
    const setting = `${program}.addr` as const;
    const address = v[setting];
    if (v.auth.kind === "none" && !isLoopback(address.host)) {
      const cure = `set ${name("auth")} to user:password or listen on 127.0.0.1`;
      report(setting, `is reachable from other machines without a password; ${cure}`, true);
    }
    const advertise = v[`${program}.advertise_addr`];
    if (advertise && isWildcard(advertise.host)) {
      report(`${program}.advertise_addr`, "names no machine; give an address clients can dial");
    }
    const other = address.port === 0 ? undefined : seen.get(formatHostPort(address));
    if (other) report(setting, `is the address of ${name(other)}; give each its own`);
    seen.set(formatHostPort(address), setting);
  }
}

function checkSecrets(v: Values, report: Report, name: (s: SettingName) => string): void {
  const secret = v["cluster.secret"];
  if (secret && v["cluster.secret_file"]) {
    report("cluster.secret_file", `is given together with ${name("cluster.secret")}; keep one`);
  }
  if (secret && secret.reveal().length < 16) {
    report("cluster.secret", "is short; 16 characters or more resist guessing", true);
  }
  const tls = v["cluster.tls.enabled"];
  const files = ["cluster.tls.cert_file", "cluster.tls.key_file", "cluster.tls.ca_file"] as const;
  for (const file of files) {
    if (tls && v[file] === null) {
      if (file === "cluster.tls.ca_file" && v["cluster.tls.insecure_skip_verify"]) continue;
      report(file, `is missing; ${name("cluster.tls.enabled")} needs certificate, key and CA`);
    }
    if (!tls && v[file] !== null) {
      report(file, `has no effect without ${name("cluster.tls.enabled")}=true; set that too`);
    }
  }
}

function checkReachability(v: Values, report: Report, name: (s: SettingName) => string): void {
  if (isLoopback(v["cluster.bind_addr"].host)) return;
  const tls =
    v["cluster.tls.enabled"] &&
    v["cluster.tls.verify_client"] &&
    !v["cluster.tls.insecure_skip_verify"];
  const secret = v["cluster.secret"] !== null || v["cluster.secret_file"] !== null;
  if (tls || secret || v["cluster.insecure"]) return;
  report(
    "cluster.bind_addr",
    `is reachable from other machines with nothing to prove who is calling; set ` +
      `${name("cluster.tls.enabled")}=true with its files and client verification, or ` +
      `${name("cluster.secret")}, or waive it with ${name("cluster.insecure")}=true`,
  );
}

function checkPeerList(
  v: Values,
  setting: "cluster.raft.peers" | "cluster.ha.peers",
  report: Report,
): void {
  const own = v["cluster.node_id"];
  const ownAddress = ownAddressOf(v);
  const ids = new Set<string>();
  const addresses = new Set<string>();
  for (const peer of v[setting]) {
    const address = formatHostPort(peer);
    if (ids.has(peer.id)) report(setting, `names ${peer.id} twice`);
    if (addresses.has(address)) report(setting, `has ${address} under two names`);
    if (peer.id !== own && address === ownAddress) {
      report(setting, `gives ${peer.id} this node's own address ${address}`);
    }
    if (isWildcard(peer.host)) report(setting, `has ${address}, which names no machine`);
    ids.add(peer.id);
    addresses.add(address);
  }
}

function ownAddressOf(v: Values): string {
  return formatHostPort(v["cluster.advertise_addr"] ?? v["cluster.bind_addr"]);
}

function checkRaft(v: Values, report: Report, name: (s: SettingName) => string): void {
  const election = v["cluster.raft.election_timeout"];
  if (election <= v["cluster.raft.heartbeat_timeout"]) {
    report(
      "cluster.raft.election_timeout",
      `must be longer than ${name("cluster.raft.heartbeat_timeout")}, best ten times`,
    );
  }
  if (v["cluster.raft.leader_lease_timeout"] > election) {
    report(
      "cluster.raft.leader_lease_timeout",
      `must not be longer than ${name("cluster.raft.election_timeout")}, or two leaders may answer`,
    );
  }
  checkPeerList(v, "cluster.raft.peers", report);
  const peers = v["cluster.raft.peers"];
  if (v["cluster.raft.bootstrap"] && peers.length > 0 && v["cluster.node_id"] === null) {
    report("cluster.node_id", "must be set to found a cluster, so that peers can name this node");
  }
  if (v["cluster.raft.bootstrap"] && v["cluster.raft.learner"]) {
    report("cluster.raft.learner", `excludes ${name("cluster.raft.bootstrap")}: founders vote`);
  }
  const own = v["cluster.node_id"];
  const voters = peers.length + (own === null || peers.some((peer) => peer.id === own) ? 0 : 1);
  if (voters > 0 && voters % 2 === 0) {
    const fewer = `${voters} voters survive no more failures than ${voters - 1}`;
    report("cluster.raft.peers", `${fewer}; add or take away one`, true);
  }
}

function checkHa(v: Values, report: Report, name: (s: SettingName) => string): void {
  if (v["cluster.ha.role"] === null) {
    report("cluster.ha.role", "is missing; ha_standby needs primary or standby");
  }
  const peer = v["cluster.ha.peer_addr"];
  if (peer === null && v["cluster.ha.peers"].length === 0) {
    report("cluster.ha.peer_addr", `is missing; give it, or ${name("cluster.ha.peers")}`);
  }
  if (peer !== null && v["cluster.ha.peers"].length > 0) {
    report("cluster.ha.peer_addr", `is given together with ${name("cluster.ha.peers")}; keep one`);
  }
  if (peer !== null && formatHostPort(peer) === ownAddressOf(v)) {
    report("cluster.ha.peer_addr", "is this node's own address");
  }
  checkPeerList(v, "cluster.ha.peers", report);
  if (v["cluster.ha.peers"].length > HA_NODES_MAX) {
    report("cluster.ha.peers", `names more than ${HA_NODES_MAX} nodes`);
  }
  if (v["cluster.ha.failover_timeout"] <= v["cluster.ha.heartbeat_ms"]) {
    report("cluster.ha.failover_timeout", `must be longer than ${name("cluster.ha.heartbeat_ms")}`);
  }
  // Two heartbeats and the clocks' drift must fit into one lease.
  if (v["cluster.ha.lease_ttl"] < 3 * v["cluster.ha.heartbeat_ms"]) {
    const other = name("cluster.ha.heartbeat_ms");
    report("cluster.ha.lease_ttl", `must be at least three times ${other}`);
  }
  if (v["cluster.ha.sync_fallback"].kind !== "refuse" && v["cluster.ha.sync_mode"] !== "sync") {
    const only = `${name("cluster.ha.sync_mode")}=sync`;
    report("cluster.ha.sync_fallback", `has no effect without ${only}`, true);
  }
  if (v["cluster.ha.max_reconnect_backoff"] < v["cluster.ha.reconnect_interval"]) {
    const other = name("cluster.ha.reconnect_interval");
    report("cluster.ha.max_reconnect_backoff", `must not be shorter than ${other}`);
  }
  const arbiter = v["cluster.ha.arbiter"];
  if (arbiter !== "peer" && v["cluster.ha.arbiter_addr"].length === 0) {
    const cause = `${name("cluster.ha.arbiter")}=${arbiter} needs it`;
    report("cluster.ha.arbiter_addr", `is missing; ${cause}`);
  }
  if (arbiter === "witness" && v["cluster.ha.arbiter_addr"].length > 1) {
    report("cluster.ha.arbiter_addr", "names several witnesses; two registers decide nothing");
  }
  if (arbiter !== "etcd" && v["cluster.ha.arbiter_auth"].kind !== "none") {
    report("cluster.ha.arbiter_auth", `has no effect without ${name("cluster.ha.arbiter")}=etcd`);
  }
}

function checkRegions(v: Values, report: Report, name: (s: SettingName) => string): void {
  const own = v["cluster.region_id"];
  if (own === null) report("cluster.region_id", "is missing; multi_region needs it");
  const remotes = v["cluster.remote_regions"];
  if (remotes.some((remote) => remote.id === own)) {
    report("cluster.remote_regions", `lists this node's own ${name("cluster.region_id")}`);
  }
  if (new Set(remotes.map(({ id }) => id)).size > REMOTE_REGIONS_MAX) {
    report("cluster.remote_regions", `names more than ${REMOTE_REGIONS_MAX} regions`);
  }
  const regionOf = new Map<string, string>();
  for (const remote of remotes) {
    const address = formatHostPort(remote);
    const other = regionOf.get(address);
    if (other !== undefined && other !== remote.id) {
      report("cluster.remote_regions", `has ${address} in ${other} and in ${remote.id}`);
    }
    if (address === ownAddressOf(v)) {
      report("cluster.remote_regions", `gives ${remote.id} this node's own address ${address}`);
    }
    if (isWildcard(remote.host)) {
      report("cluster.remote_regions", `has ${address}, which names no machine`);
    }
    regionOf.set(address, remote.id);
  }
  if (v["cluster.cross_region_mode"] === "semi_sync" && remotes.length === 0) {
    const only = `${name("cluster.cross_region_mode")}=semi_sync`;
    report("cluster.remote_regions", `is empty; ${only} needs another region`);
  }
}

/**
 * The address peers dial.
 * @returns undefined when it is a wildcard and the machine does not settle which one is meant
 */
export function advertisedAddress(v: Values, interfaces: readonly string[]): HostPort | undefined {
  const given = v["cluster.advertise_addr"];
  const bind = v["cluster.bind_addr"];
  const address = given ?? bind;
  if (!isWildcard(address.host)) return address;
  const [only, ...others] = interfaces;
  return given === null && only !== undefined && others.length === 0
    ? { host: only, port: bind.port }
    : undefined;
}

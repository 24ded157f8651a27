import type { Health } from "../../service/index.js";

/** The `replication` part of `/health`, under NornicDB's names. */
export function replicationHealth(health: Health) {
  return {
    mode: health.mode,
    node_id: health.nodeId,
    cluster_id: health.clusterId,
    address: health.address,
    role: health.role,
    is_leader: health.isLeader,
    leader_id: health.leaderId,
    leader_addr: health.leaderAddr,
    state: health.state,
    reason: health.reason,
    healthy: health.healthy,
    term: health.term,
    commit_index: health.commitIndex,
    applied_index: health.appliedIndex,
    lag_entries: health.lagEntries,
    lag_ms: health.lagMs,
    ...regionHealth(health),
    ...(health.stage === undefined ? {} : pairHealth(health)),
    peers: health.peers.map(({ lastContactMs, lagMs, lagBytes, ...peer }) => ({
      ...peer,
      lag_ms: lagMs ?? null,
      lag_bytes: lagBytes ?? null,
      last_contact: lastContactMs,
    })),
  };
}

/** The region of the node, and how the others stand towards it; nothing of it in other modes. */
function regionHealth({ region, regions }: Health) {
  if (regions === undefined) return { region };
  return {
    region,
    regions: regions.map(({ lagEntries, lagBytes, lagMs, clockAheadMs, ...other }) => ({
      ...other,
      lag_entries: lagEntries,
      lag_bytes: lagBytes,
      lag_ms: lagMs,
      clock_ahead_ms: clockAheadMs,
    })),
  };
}

function pairHealth({ stage, inSync, splitBrainPossible }: Health) {
  return { stage, in_sync: inSync, split_brain_possible: splitBrainPossible };
}

/**
 * All members: the node whose picture it is and those it knows. `match_index` is what each has of
 * the log; null where only the leader could tell.
 */
export function members(health: Health) {
  const self = {
    id: health.nodeId as string,
    address: health.address,
    state: health.state as string,
    role: health.role,
    healthy: health.healthy,
    match_index: health.durableIndex as number | null,
    lag: health.lagEntries as number | null,
    lag_ms: health.lagMs as number | null,
    lag_bytes: health.isLeader ? 0 : (null as number | null),
  };
  const others = health.peers.map(
    ({ id, address, role, state, healthy, lag, lagMs, lagBytes }) => ({
      id,
      address,
      state,
      role,
      healthy,
      match_index: lag === null ? null : Math.max(0, health.lastIndex - lag),
      lag,
      lag_ms: lagMs ?? null,
      lag_bytes: lagBytes ?? null,
    }),
  );
  return [self, ...others];
}

export function clusterStatus(health: Health) {
  return {
    cluster_id: health.clusterId,
    mode: health.mode,
    leader: health.leaderId === null ? null : { id: health.leaderId, address: health.leaderAddr },
    members: members(health),
    commit_index: health.commitIndex,
    term: health.term,
    ...(health.regions === undefined ? {} : regionHealth(health)),
    as_seen_by: health.nodeId,
    write_outage: health.leaderId === null,
  };
}

/** How far this node is behind, by its own account and the leader's, and how far the others are. */
export function replicationLag(own: Health, cluster: Health) {
  const all = members(cluster);
  const asSeen = all.find(({ id }) => id === own.nodeId);
  return {
    lag_entries: Math.max(own.lagEntries, asSeen?.lag ?? 0),
    lag_ms: Math.max(own.lagMs, asSeen?.lag_ms ?? 0),
    lag_bytes: asSeen?.lag_bytes ?? null,
    as_seen_by: cluster.nodeId,
    peers: all
      .filter(({ id }) => id !== own.nodeId)
      .map(({ id, role, lag, lag_ms, lag_bytes }) => ({
        id,
        role,
        lag_entries: lag,
        lag_ms,
        lag_bytes,
      })),
  };
}

export function raftState(health: Health) {
  return {
    mode: health.mode,
    role: health.role,
    term: health.term,
    leader_id: health.leaderId,
    first_index: health.firstIndex,
    last_index: health.lastIndex,
    durable_index: health.durableIndex,
    commit_index: health.commitIndex,
    applied_index: health.appliedIndex,
    log_bytes: health.logBytes,
    pending_proposals: health.pendingProposals,
  };
}

import type { Health } from "../../service/index.js";

/** The `replication` part of `/health`, under NornicDB's names. */
export function replicationHealth(health: Health) {
  return {
    mode: health.mode,
    node_id: health.nodeId,
    cluster_id: health.clusterId,
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
    region: health.region,
    peers: health.peers.map(({ id, address, healthy, lag, state, lastContactMs }) => ({
      id,
      address,
      healthy,
      lag,
      state,
      last_contact: lastContactMs,
    })),
  };
}

/** All members: this node and those it knows. `match_index` is what each has of the log. */
export function members(health: Health) {
  const self = {
    id: health.nodeId as string,
    address: health.isLeader ? health.leaderAddr : null,
    state: health.state as string,
    role: health.role,
    healthy: health.healthy,
    match_index: health.durableIndex as number,
    lag: health.lagEntries,
  };
  const others = health.peers.map(({ id, address, state, healthy, lag }) => ({
    id,
    address,
    state,
    role: state,
    healthy,
    match_index: Math.max(0, health.lastIndex - lag),
    lag,
  }));
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

/** Settings under which a lost leader is replaced in a fraction of a second. */
export const FAST_ELECTIONS = {
  NORNICDB_CLUSTER_RAFT_ELECTION_TIMEOUT: "150ms",
  NORNICDB_CLUSTER_RAFT_HEARTBEAT_TIMEOUT: "30ms",
  NORNICDB_CLUSTER_RAFT_LEADER_LEASE_TIMEOUT: "75ms",
};

import type { Health } from "../replication/index.js";
import type { Metrics } from "../runtime/index.js";

/** The gauges that one picture of the node fills; counters are kept where things happen. */
export class ReplicationGauges {
  readonly #gauges;
  #peers: ReadonlySet<string> = new Set();

  constructor(metrics: Metrics) {
    const gauge = (name: string, help: string, labels: readonly string[] = []) =>
      metrics.gauge(name, help, labels);
    this.#gauges = {
      mode: gauge("nornicdb_replication_mode", "1 for the mode this node runs in", ["mode"]),
      isLeader: gauge("nornicdb_replication_is_leader", "1 while this node takes writes"),
      commitIndex: gauge("nornicdb_replication_commit_index", "Last committed log index"),
      appliedIndex: gauge("nornicdb_replication_applied_index", "Last applied log index"),
      lagEntries: gauge("nornicdb_replication_lag_entries", "Entries this node is behind"),
      lagSeconds: gauge("nornicdb_replication_lag_seconds", "Time this node is behind"),
      peerHealthy: gauge("nornicdb_replication_peer_healthy", "1 while the peer answers", ["peer"]),
      peer: gauge("nornicdb_peer_healthy", "1 while the peer answers", ["peer"]),
      term: gauge("nornicdb_raft_term", "Current term"),
      walPosition: gauge("nornicdb_wal_position", "Last index in the write-ahead log"),
      pending: gauge("nornicdb_proposals_pending", "Writes that wait to be acknowledged"),
    };
  }

  set(health: Health): void {
    const gauges = this.#gauges;
    gauges.mode.set(1, { mode: health.mode });
    gauges.isLeader.set(health.isLeader && health.state === "ready" ? 1 : 0);
    gauges.commitIndex.set(health.commitIndex);
    gauges.appliedIndex.set(health.appliedIndex);
    gauges.lagEntries.set(health.lagEntries);
    gauges.lagSeconds.set(health.lagMs / 1000);
    gauges.term.set(health.term);
    gauges.walPosition.set(health.lastIndex);
    gauges.pending.set(health.pendingProposals);
    const before = this.#peers;
    this.#peers = new Set(health.peers.map(({ id }) => id));
    for (const gauge of [gauges.peerHealthy, gauges.peer]) {
      for (const { id, healthy } of health.peers) gauge.set(healthy ? 1 : 0, { peer: id });
      for (const peer of before) if (!this.#peers.has(peer)) gauge.forget({ peer });
    }
  }
}

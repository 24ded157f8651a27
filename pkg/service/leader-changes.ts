import type { NodeId } from "../base/index.js";
import type { Replicator } from "../replication/index.js";
import type { Metrics } from "../runtime/index.js";

/**
 * Counts the leaderships that this node has learned of, the first one included: another leader, or
 * the same one in a later term.
 * @returns how to stop counting
 */
export function countLeaderChanges(replicator: Replicator, metrics: Metrics): () => void {
  const total = metrics.counter(
    "nornicdb_cluster_leader_changes_total",
    "Leaderships that this node has learned of since it started",
  );
  let last: { readonly leaderId: NodeId; readonly term: number } | undefined;
  return replicator.onEvent((event) => {
    if (event.kind !== "leader" || event.leaderId === null) return;
    if (event.leaderId === last?.leaderId && event.term === last.term) return;
    last = { leaderId: event.leaderId, term: event.term };
    total.add(1);
  });
}

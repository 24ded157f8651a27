import type { ReplicatorClient } from "../../pkg/replication/index.js";
import type { AdminAction, AdminActions } from "../../pkg/service/index.js";

/** Longest wait for an action: a change of members takes two rounds, a handover an election. */
const ORDER_MS_MAX = 8_000;

/** The admin API's names for what a cluster can be ordered, and the replicator's. */
const ORDERS: Readonly<Partial<Record<AdminAction, string>>> = {
  "add member": "add member",
  "remove member": "remove member",
  "promote member": "promote",
  "transfer leadership": "transfer leadership",
  "step down": "step down",
};

/** Making everything durable may take as long as a copy of everything. */
const COMPACT_MS_MAX = 120_000;

/** What any node does for itself. */
export function nodeActions(replicator: ReplicatorClient): AdminActions {
  return { compact: () => replicator.order("compact", {}, { timeoutMs: COMPACT_MS_MAX }) };
}

/** Actions of a cluster, which any of its nodes takes and its leader carries out. */
export function clusterActions(replicator: ReplicatorClient): AdminActions {
  return Object.fromEntries(
    Object.entries(ORDERS).map(([action, order]) => [
      action,
      (args: Parameters<ReplicatorClient["order"]>[1]) =>
        replicator.order(order, args, { timeoutMs: ORDER_MS_MAX }),
    ]),
  );
}

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

/** What a pair can be ordered, by the same names: each goes to the node that is asked. */
const PAIR_ORDERS: readonly AdminAction[] = [
  "promote",
  "switch over",
  "list salvage",
  "show salvage",
  "discard salvage",
];

/** A promotion waits for the lease of a primary that is gone; a replay for each of its writes. */
const PAIR_ORDER_MS_MAX = 12_000;
const REPLAY_MS_MAX = 120_000;

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

/** What a region's leader can be ordered, by the same names; any of its nodes takes them. */
const REGION_ORDERS: readonly AdminAction[] = [
  "region status",
  "promote region",
  "give up region",
  "readmit region",
  "adopt region",
];

/** Another region is asked, and the answer written. */
const REGION_ORDER_MS_MAX = 12_000;

/** Actions of one of several regions: those of its cluster, and those about the others. */
export function regionActions(replicator: ReplicatorClient): AdminActions {
  return {
    ...clusterActions(replicator),
    ...Object.fromEntries(
      REGION_ORDERS.map((action) => [
        action,
        (args: Parameters<ReplicatorClient["order"]>[1]) =>
          replicator.order(action, args, { timeoutMs: REGION_ORDER_MS_MAX }),
      ]),
    ),
  };
}

/** Actions of a primary and its standbys; each is for the very node that is asked. */
export function pairActions(replicator: ReplicatorClient): AdminActions {
  const order =
    (action: AdminAction, timeoutMs: number) => (args: Parameters<ReplicatorClient["order"]>[1]) =>
      replicator.order(action, args, { timeoutMs });
  return {
    ...Object.fromEntries(PAIR_ORDERS.map((action) => [action, order(action, PAIR_ORDER_MS_MAX)])),
    "transfer leadership": order("switch over", PAIR_ORDER_MS_MAX),
    "step down": order("switch over", PAIR_ORDER_MS_MAX),
    "replay salvage": order("replay salvage", REPLAY_MS_MAX),
  };
}

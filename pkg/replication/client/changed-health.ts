import type { Health, ReplicatorEvent } from "../replicator.js";

/** What the node said last, brought up to date by what it says now. */
export function changedHealth(health: Health, event: ReplicatorEvent): Health {
  if (event.kind === "members") return health;
  if (event.kind === "role") return { ...health, role: event.role, term: event.term };
  if (event.kind === "leader") {
    const { leaderId, term } = event;
    const isLeader = leaderId === health.nodeId;
    return { ...health, leaderId, leaderAddr: null, isLeader, term };
  }
  const { state, reason } = event;
  const healthy = state === "ready";
  return { ...health, state, reason, healthy, isLeader: health.isLeader && state !== "failed" };
}

import type { NodeId } from "../../../base/index.js";
import { perhapsInSync } from "./authority.js";
import { advanceCommit } from "./commit.js";
import { sendHeartbeat } from "./heartbeats.js";
import { stepDown } from "./roles.js";
import type { Leadership, Peer } from "./state.js";
import { askArbiter, leadershipOf, note, setLead, type Turn } from "./turn.js";

/** HA-10, HA-11: who may be promoted is changed one request at a time, and recorded first. */
export function tendInSync(turn: Turn): void {
  const { s } = turn;
  if (s.lead === null || s.lead.pending !== null) return;
  const hasBegun = s.hard.commit >= s.lead.readyIndex;
  // Without an arbiter the epoch may wait for a standby that is gone: nobody else drops it.
  if (!hasBegun && turn.options.arbiter === "lease") return;
  const { inSync } = s.lead;
  const gone = inSync.filter((id) => mayDrop(turn, id));
  const stuck = s.lead.strays.filter((id) => !inSync.includes(id) && mayDrop(turn, id));
  const back = [...s.lead.peers.keys()].filter(
    (id) => hasBegun && !inSync.includes(id) && mayAdd(turn, id),
  );
  if (gone.some((id) => s.lead?.strays.includes(id)) || stuck.length > 0) {
    stepDown(turn, "a former word to the arbiter may still arrive: a new epoch ends that");
    s.claimAfter = s.now;
    s.quietSince = Number.NEGATIVE_INFINITY;
    return;
  }
  if (gone.length === 0 && back.length === 0) return;
  const next = [...inSync.filter((id) => !gone.includes(id)), ...back];
  if (turn.options.arbiter === "peer") adopt(turn, next);
  else {
    const named = [turn.options.id, ...next];
    const id = askArbiter(turn, { op: "record", epoch: s.hard.term, inSync: named });
    setLead(turn, { pending: { id, sentAt: s.now, inSync: next } });
  }
}

function contactOf(turn: Turn, id: NodeId): { peer: Peer; silent: number } | undefined {
  const peer = turn.s.lead?.peers.get(id);
  return peer === undefined ? undefined : { peer, silent: turn.s.now - peer.heardAt };
}

/** HA-10: it is there and holds all that was acknowledged. */
function mayAdd(turn: Turn, id: NodeId): boolean {
  const { s, options, rules } = turn;
  const contact = contactOf(turn, id);
  if (contact === undefined || !contact.peer.aligned) return false;
  if (contact.silent >= options.ticks.contactTicks) return false;
  const { received, progress } = contact.peer;
  if (options.syncMode === "async") {
    return s.log.last - progress.match <= options.limits.inSyncLagMax;
  }
  const held = options.syncMode === "sync" ? progress.match : received;
  return rules.mayJoin(held, s.hard.commit);
}

/** HA-11: whom the primary may go on without, once that is recorded. */
function mayDrop(turn: Turn, id: NodeId): boolean {
  const { s, options } = turn;
  const contact = contactOf(turn, id);
  if (contact === undefined) return true;
  const { ticks, syncMode, arbiter, policy, limits } = options;
  const { peer, silent } = contact;
  const lost = silent >= ticks.lostTicks || (!peer.aligned && silent >= ticks.contactTicks);
  if (syncMode === "async") {
    const lags = s.log.last - peer.progress.match > 2 * limits.inSyncLagMax;
    return (lost || lags) && (arbiter === "lease" || policy === "availability");
  }
  if (!lost) return false;
  const fallback = ticks.fallbackTicks !== null && silent >= ticks.fallbackTicks;
  if (arbiter === "peer") {
    return policy === "availability" && (syncMode === "semi_sync" || fallback);
  }
  return syncMode === "semi_sync" || fallback || othersRemain(turn, id);
}

function othersRemain(turn: Turn, id: NodeId): boolean {
  return (turn.s.lead?.inSync ?? []).some((other) => {
    const contact = contactOf(turn, other);
    if (other === id || contact === undefined || !contact.peer.aligned) return false;
    return contact.silent < turn.options.ticks.contactTicks;
  });
}

/** The set is known to be this one now. */
export function adopt(turn: Turn, next: readonly NodeId[]): void {
  const { s } = turn;
  const { inSync } = leadershipOf(turn);
  const added = next.filter((id) => !inSync.includes(id));
  const dropped = inSync.filter((id) => !next.includes(id));
  const alone: Partial<Leadership> = next.length === 0 ? { aloneSince: s.now } : {};
  setLead(turn, { inSync: next, ...(dropped.length > 0 ? alone : {}) });
  for (const id of added) {
    note(turn, "standby_in_sync", id);
    sendHeartbeat(turn, id);
  }
  for (const id of dropped) note(turn, "standby_out_of_sync", id);
  if (dropped.length > 0 && next.length === 0 && turn.options.syncMode !== "async") {
    note(turn, "degraded", "no standby is in sync: what is acknowledged now is only here");
  }
  advanceCommit(turn);
}

/** Those that some promise or acknowledgement must come from. */
export function isAlone(turn: Turn): boolean {
  return perhapsInSync(turn).length === 0;
}

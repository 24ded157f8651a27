import type { NodeId } from "../../../base/index.js";
import { advanceCommit } from "./commit.js";
import { sendHeartbeat } from "./heartbeats.js";
import { stepDown } from "./roles.js";
import type { Peer } from "./state.js";
import { askArbiter, leadershipOf, note, setLead, type Turn } from "./turn.js";

/** More different sets of unknown outcome than this are not kept apart: a new epoch ends them. */
const UNSETTLED_SETS_MAX = 16;

/** HA-10, HA-11: who may be promoted is changed one request at a time, and recorded first. */
export function tendInSync(turn: Turn): void {
  const { s } = turn;
  if (s.lead === null || s.lead.pending !== null) return;
  const { inSync, unsettled, unsureSince } = s.lead;
  const hasBegun = s.hard.commit >= s.lead.readyIndex;
  // Without an arbiter the epoch may wait for a standby that is gone: nobody else drops it.
  if (!hasBegun && turn.options.arbiter === "lease") return;
  if (unsettled.flat().some((id) => mayDrop(turn, id)) || unsettled.length > UNSETTLED_SETS_MAX) {
    beginAnew(turn);
    return;
  }
  const gone = inSync.filter((id) => mayDrop(turn, id));
  const back = [...s.lead.peers.keys()].filter(
    (id) => hasBegun && !inSync.includes(id) && mayAdd(turn, id),
  );
  const isUnsure = unsureSince !== null;
  if (isUnsure && s.now - unsureSince < turn.options.ticks.heartbeatTicks) return;
  // Whatever the arbiter holds after a request of unknown outcome: it is told what is true.
  if (gone.length === 0 && back.length === 0 && !isUnsure) return;
  const next = [...inSync.filter((id) => !gone.includes(id)), ...back];
  if (turn.options.arbiter === "peer") adopt(turn, next);
  else {
    const named = [turn.options.id, ...next];
    const id = askArbiter(turn, { op: "record", epoch: s.hard.term, inSync: named });
    setLead(turn, { pending: { id, sentAt: s.now, inSync: next } });
  }
}

/** HA-11: a request that was given up and names who is dropped now takes no effect in a new epoch. */
function beginAnew(turn: Turn): void {
  const { s } = turn;
  stepDown(turn, "a former word to the arbiter may still arrive: a new epoch ends that");
  s.claimAfter = s.now;
  s.quietSince = Number.NEGATIVE_INFINITY;
}

interface Contact {
  readonly peer: Peer;
  readonly silent: number;
  /** For how long it has been of no use: silent, or there without following the log. */
  readonly missing: number;
}

function contactOf(turn: Turn, id: NodeId): Contact | undefined {
  const { now, lead } = turn.s;
  const peer = lead?.peers.get(id);
  return peer && { peer, silent: now - peer.heardAt, missing: now - usefulAt(peer) };
}

const usefulAt = ({ aligned, heardAt, evenAt }: Peer) =>
  aligned ? heardAt : Math.min(heardAt, evenAt);

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
  const { peer, silent, missing } = contact;
  const lost = missing >= ticks.lostTicks || (!peer.aligned && silent >= ticks.contactTicks);
  if (syncMode === "async") {
    const lags = s.log.last - peer.progress.match > 2 * limits.inSyncLagMax;
    return (lost || lags) && (arbiter === "lease" || policy === "availability");
  }
  if (!lost) return false;
  const fallback = ticks.fallbackTicks !== null && missing >= ticks.fallbackTicks;
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
  const { inSync, peers } = leadershipOf(turn);
  const added = next.filter((id) => !inSync.includes(id));
  const dropped = inSync.filter((id) => !next.includes(id));
  setLead(turn, { inSync: next });
  if (dropped.length > 0 && next.length === 0) {
    const usefulUntil = dropped.flatMap((id) => peers.get(id) ?? []).map(usefulAt);
    setLead(turn, { aloneSince: Math.max(...usefulUntil) });
  }
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

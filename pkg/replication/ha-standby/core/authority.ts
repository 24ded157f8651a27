import type { NodeId } from "../../../base/index.js";
import type { Peer } from "./state.js";
import { note, setLead, type Turn } from "./turn.js";

const NEVER = Number.NEGATIVE_INFINITY;

/** HA-4, HA-5: this primary may acknowledge at this tick. */
export function hasAuthority(turn: Turn): boolean {
  const { s, options } = turn;
  if (s.lead === null) return false;
  if (options.arbiter === "lease") return covered(turn, s.lead.leaseAt) || hasAgreement(turn);
  if (options.policy === "availability") return true;
  return s.lead.inSync.length === 0 || hasAgreement(turn);
}

function covered(turn: Turn, askedAt: number): boolean {
  const { s, rules, options } = turn;
  const { ttlTicks, driftTicks } = options.ticks;
  return rules.covers({ now: s.now, askedAt, floor: s.floor, ttlTicks, driftTicks });
}

/** HA-5: every standby that might be promoted has promised not to seek it, a moment ago. */
function hasAgreement(turn: Turn): boolean {
  const ids = perhapsInSync(turn);
  const promises = ids.map((id) => covered(turn, turn.s.lead?.peers.get(id)?.promisedAt ?? NEVER));
  return turn.rules.agrees(promises);
}

/** HA-11: every set that the arbiter may hold now or later in this epoch. */
export function setsInForce(turn: Turn): readonly (readonly NodeId[])[] {
  const { lead } = turn.s;
  if (lead === null) return [];
  const { inSync, pending, unsettled } = lead;
  return turn.rules.setsInForce(
    inSync,
    pending === null ? unsettled : [...unsettled, pending.inSync],
  );
}

/** Standbys that the arbiter holds as in sync if any of the requests so far took effect. */
export function perhapsInSync(turn: Turn): readonly NodeId[] {
  return [...new Set(setsInForce(turn).flat())];
}

/** Standbys that it holds as in sync now, whichever of the requests took effect. */
export function surelyInSync(turn: Turn): readonly NodeId[] {
  const { lead } = turn.s;
  if (lead === null) return [];
  const { inSync, pending, unsettled, unsureSince } = lead;
  const asked = unsureSince === null ? [] : unsettled;
  return inSync.filter(
    (id) =>
      (pending === null || pending.inSync.includes(id)) && asked.every((set) => set.includes(id)),
  );
}

export function peersOf(turn: Turn, ids: readonly NodeId[]): Peer[] {
  return ids.flatMap((id) => turn.s.lead?.peers.get(id) ?? []);
}

/** Says when the right to acknowledge is lost and when it is back. */
export function noteAuthority(turn: Turn): boolean {
  const { s } = turn;
  if (s.lead === null) return false;
  const has = hasAuthority(turn);
  if (has === s.lead.hadAuthority) return has;
  setLead(turn, { hadAuthority: has });
  if (has) note(turn, "authority_back", "the lease or the standbys' word holds again");
  else note(turn, "authority_lost", "neither the lease nor the standbys' word holds any more");
  return has;
}

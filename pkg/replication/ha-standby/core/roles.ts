import type { LogIndex, NodeId, Term } from "../../../base/index.js";
import type { LeaseRecord } from "../../ports/index.js";
import { advanceCommit, applyMore, endWaiting } from "./commit.js";
import { broadcastHeartbeat } from "./heartbeats.js";
import { freshPeer } from "./peer.js";
import type { Claim } from "./state.js";
import { appendOwn, askArbiter, leadershipOf, note, refuse, setEpoch, type Turn } from "./turn.js";

const SETBACKS_MAX = 4;

/** HA-18: the epoch is written down with its first entry; nothing is served before both are durable. */
export function becomePrimary(
  turn: Turn,
  grant: { readonly epoch: Term; readonly leaseAt: number; readonly inSync: readonly NodeId[] },
  claim: Claim,
): void {
  const { s, options } = turn;
  setEpoch(turn, grant.epoch, options.id);
  s.claim = null;
  s.failedClaims = 0;
  s.follow = null;
  s.fenced = false;
  s.aligned = false;
  s.rejoin = null;
  s.early = [];
  const inSync = grant.inSync.filter((id) => options.peers.includes(id));
  s.basis = recordOf(turn, grant.epoch, inSync);
  s.lead = {
    peers: new Map(options.peers.map((id) => [id, freshPeer(s.now, null)])),
    since: s.now,
    readyIndex: (s.log.last + 1) as LogIndex,
    heartbeatElapsed: 0,
    sentCommit: 0 as LogIndex,
    round: 0,
    leaseAt: grant.leaseAt,
    renewAt: grant.leaseAt + options.ticks.renewTicks,
    renewal: null,
    inSync,
    pending: null,
    unsettled: [],
    unsureSince: null,
    switchover: null,
    ticket: claim.ticket,
    hadAuthority: true,
    aloneSince: s.now,
  };
  appendOwn(turn, [{ kind: "noop", payload: new Uint8Array() }]);
  note(turn, "became_primary", `epoch ${grant.epoch}, because of ${claim.grounds}`);
  if (options.arbiter === "peer" && options.policy === "availability") {
    note(turn, "split_brain_possible", "no arbiter says that the old primary has stopped");
  }
  broadcastHeartbeat(turn);
  advanceCommit(turn);
}

function recordOf(turn: Turn, epoch: Term, inSync: readonly NodeId[]): LeaseRecord {
  return { epoch, holder: turn.options.id, inSync: [turn.options.id, ...inSync], held: true };
}

/** HA-6, HA-23: from this step on nothing is acknowledged; what was logged has an unknown fate. */
export function stepDown(turn: Turn, reason: string): void {
  const { s, options } = turn;
  if (s.lead === null) return;
  const { ticket, switchover, since } = leadershipOf(turn);
  if (s.now - since < options.ticks.dampingTicks) {
    s.setbacks = Math.min(s.setbacks + 1, SETBACKS_MAX);
  }
  s.lead = null;
  s.fenced = true;
  s.quietSince = s.now;
  endWaiting(turn, reason);
  const left = [ticket, switchover?.ticket ?? null].filter((one) => one !== null);
  refuse(turn, left, "NO_LEADER", reason);
  note(turn, "became_standby", reason);
}

/** A claim ends without a promotion. */
export function endClaim(turn: Turn, reason: string): void {
  const { s, options } = turn;
  if (s.claim === null) return;
  if (s.claim.ticket !== null) refuse(turn, [s.claim.ticket], "CONFLICT", reason);
  s.claim = null;
  s.failedClaims = Math.min(s.failedClaims + 1, 4);
  const rank = [...options.peers, options.id].sort().indexOf(options.id);
  const { heartbeatTicks } = options.ticks;
  s.claimAfter = s.now + Math.ceil((s.failedClaims * heartbeatTicks) / 2) + rank;
  note(turn, "claim_failed", reason);
}

/** HA-1, HA-3: somebody leads a newer epoch, or this one that had no primary yet. */
export function followPrimary(turn: Turn, primary: NodeId, epoch: Term): void {
  const { s } = turn;
  stepDown(turn, `${primary} is primary in epoch ${epoch}`);
  endClaim(turn, `${primary} is primary in epoch ${epoch}`);
  setEpoch(turn, epoch, primary);
  s.seen = Math.max(s.seen, epoch) as Term;
  s.basis = null;
  s.fenced = false;
  s.failedClaims = 0;
  s.claimAfter = s.now;
  s.aligned = false;
  s.early = [];
  // A copy that is being put in place is finished first; what was being saved is saved again.
  if (s.rejoin?.kind !== "installing") s.rejoin = null;
  s.follow = {
    primary,
    epoch,
    heardAt: s.now,
    told: false,
    commit: 0 as LogIndex,
    last: 0 as LogIndex,
    gone: false,
    yielded: false,
  };
  applyMore(turn);
}

/** The holder stops by itself: whoever wants the lease need not wait for its end. */
export function releaseLease(turn: Turn, epoch: Term): void {
  if (turn.options.arbiter === "lease") askArbiter(turn, { op: "release", epoch });
}

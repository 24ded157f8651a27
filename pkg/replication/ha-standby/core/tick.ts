import { noteAuthority } from "./authority.js";
import { advanceClaim, BY_ITSELF, sendFences, startClaim } from "./claim.js";
import { advanceCommit, answerReads, payOwed } from "./commit.js";
import { broadcastHeartbeat } from "./heartbeats.js";
import { tendInSync } from "./in-sync.js";
import { tendLease } from "./lease.js";
import { advanceSwitchover } from "./orders.js";
import { leadershipOf, note, refuse, setLead, type Turn } from "./turn.js";

export function onTick(turn: Turn): void {
  const { s } = turn;
  s.now += 1;
  if (s.phase === "starting") return;
  if (s.lead !== null) primaryTick(turn);
  else standbyTick(turn);
}

function primaryTick(turn: Turn): void {
  const { s, options } = turn;
  tendLease(turn);
  const lead = leadershipOf(turn);
  setLead(turn, { heartbeatElapsed: lead.heartbeatElapsed + 1 });
  const due = lead.heartbeatElapsed + 1 >= options.ticks.heartbeatTicks;
  // An idle standby would otherwise learn of the last commit one heartbeat late.
  if (due || s.hard.commit > lead.sentCommit) broadcastHeartbeat(turn);
  if (noteAuthority(turn)) {
    advanceCommit(turn);
    payOwed(turn);
    answerReads(turn);
  } else endReads(turn);
  advanceSwitchover(turn);
  tendInSync(turn);
  if (s.lead !== null && s.setbacks > 0 && s.now - s.lead.since > options.ticks.dampingTicks) {
    s.setbacks = 0;
  }
}

/** A read without authority is an error, never an old value. */
function endReads(turn: Turn): void {
  const { s } = turn;
  const tickets = s.readyReads.map(({ ticket }) => ticket);
  refuse(turn, tickets, "NO_LEADER", "the primary may not speak for the others now");
  if (tickets.length > 0) s.readyReads = [];
}

function standbyTick(turn: Turn): void {
  const { s, options } = turn;
  if (s.claim !== null) {
    if (s.now % options.ticks.heartbeatTicks === 0) sendFences(turn);
    advanceClaim(turn);
    return;
  }
  if (s.phase !== "ready" || s.lost || s.now < s.claimAfter) return;
  if (s.rejoin?.kind === "installing") return;
  const called = s.follow !== null && (s.follow.gone || s.follow.yielded);
  const patience = options.ticks.failoverTicks * (1 + s.setbacks) + rankOf(turn);
  if (!called && s.now - s.quietSince < patience) return;
  if (s.follow !== null && s.follow.heardAt === s.quietSince) {
    note(
      turn,
      "primary_lost",
      `${s.follow.primary} was last heard ${s.now - s.follow.heardAt} ticks ago`,
    );
  }
  startClaim(turn, BY_ITSELF);
}

/** Several standbys do not all begin in the same tick. */
function rankOf(turn: Turn): number {
  const { id, peers } = turn.options;
  return 2 * [...peers, id].sort().indexOf(id);
}

/** HA-4: after a gap nobody knows how long it was: what was asked before it proves nothing. */
export function onStalled(turn: Turn): void {
  const { s } = turn;
  s.now += 1;
  s.floor = s.now;
  s.quietSince = Math.max(s.quietSince, s.now - turn.options.ticks.contactTicks);
  noteAuthority(turn);
}

import { tendMembership } from "./changes.js";
import { onElectionTimeout } from "./election.js";
import { hearsQuorum } from "./leader-quorum.js";
import { broadcastHeartbeat } from "./leadership.js";
import { expireForwarded } from "./reads.js";
import { becomeFollower, restartElectionTimer, SETBACKS_MAX } from "./roles.js";
import { expireTransfer } from "./transfer.js";
import { leadershipOf, setLead, type Turn } from "./turn.js";

export function onTick(turn: Turn): void {
  const { s } = turn;
  s.now += 1;
  if (s.phase === "starting") return;
  if (s.lead !== null) leaderTick(turn);
  else followerTick(turn);
}

function leaderTick(turn: Turn): void {
  const { s, options } = turn;
  const { heartbeatTicks, diskStallTicks } = options.ticks;
  const lead = leadershipOf(turn);
  setLead(turn, { heartbeatElapsed: lead.heartbeatElapsed + 1 });
  const oldest = s.persists[0];
  if (!hearsQuorum(turn)) {
    s.setbacks = Math.min(s.setbacks + 1, SETBACKS_MAX);
    becomeFollower(turn, s.hard.term, null, "no quorum answered for one election timeout");
    return;
  }
  if (oldest !== undefined && s.now - oldest.at >= diskStallTicks) {
    becomeFollower(turn, s.hard.term, null, "the disk has not finished a sync in time");
    return;
  }
  const due = lead.heartbeatElapsed + 1 >= heartbeatTicks;
  // An idle follower would otherwise learn of the last commit one heartbeat late.
  if (due || s.hard.commit > lead.sentCommit) broadcastHeartbeat(turn);
  expireTransfer(turn);
  tendMembership(turn);
}

function followerTick(turn: Turn): void {
  const { s, options } = turn;
  const { electionTicks } = options.ticks;
  s.sinceLeader += 1;
  s.electionElapsed += 1;
  expireForwarded(turn);
  if (s.setbacks > 0 && s.leader !== null && s.now % (4 * electionTicks) === 0) s.setbacks -= 1;
  if (s.electionElapsed >= s.electionTimeout) onElectionTimeout(turn);
}

/** RA-15: after a gap nobody knows how long it was: no lease, and nobody campaigns at once. */
export function onStalled(turn: Turn): void {
  const { s, rules } = turn;
  s.now += 1;
  if (s.lead !== null) {
    setLead(turn, { leaseFloor: rules.leaseFloor(s.now, s.lead.leaseFloor) });
  } else restartElectionTimer(turn);
}

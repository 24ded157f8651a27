import type { LogIndex, NodeId, Term } from "../../../base/index.js";
import type { Waiting } from "./state.js";
import { draw, isFresh, note, refuse, setTerm, type Turn } from "./turn.js";

/** How many lost leaderships and campaigns in a row make the next attempt wait longer. */
export const SETBACKS_MAX = 2;

/**
 * The paper draws from one to two timeouts (section 9.3). Pre-vote makes a tie cheap, and half of
 * that range brings a new leader sooner.
 */
const ELECTION_JITTER_SHARE = 2;

/**
 * RA-3: waits anew, for a time drawn afresh. Setbacks in a row make it longer, so that a node that
 * keeps losing lets others try first; the bound keeps it available when there is nobody else.
 */
export function restartElectionTimer(turn: Turn): void {
  const { electionTicks } = turn.options.ticks;
  turn.s.electionElapsed = 0;
  const jitter = draw(turn, Math.ceil(electionTicks / ELECTION_JITTER_SHARE));
  turn.s.electionTimeout = electionTicks * (1 + turn.s.setbacks) + jitter;
}

/** RA-1: follows, in that term, `leader` or nobody yet. Ends a leadership or a campaign. */
export function becomeFollower(
  turn: Turn,
  term: Term,
  leader: NodeId | null,
  reason: string,
): void {
  const { s } = turn;
  const wasRole = s.role;
  if (term > s.hard.term || leader !== s.leader) {
    s.verified = 0 as LogIndex;
    s.told = 0 as LogIndex;
    s.acked = -1;
    s.ackOwed = false;
    endForwarded(turn, "the leader changed");
  }
  if (s.role === "leader") endLeadership(turn, reason);
  setTerm(turn, term);
  s.role = "follower";
  s.votes = new Map();
  if (leader !== s.leader && leader !== null) note(turn, "leader_changed", `following ${leader}`);
  s.leader = leader;
  if (wasRole !== "follower") {
    note(turn, "became_follower", reason);
    restartElectionTimer(turn);
  }
}

/** RA-12: everything that waits for this leadership gets its one answer. */
function endLeadership(turn: Turn, reason: string): void {
  const { s, rules } = turn;
  const { lead } = s;
  s.lead = null;
  s.sinceLeader = turn.options.ticks.electionTicks;
  if (lead === null) return;
  const kept: Waiting[] = [];
  const unknown: number[] = [];
  for (const batch of s.waiting) {
    const stays = batch.tickets.filter((_, offset) =>
      rules.keepsWaiting((batch.first + offset) as LogIndex, s.hard.commit),
    );
    unknown.push(...batch.tickets.slice(stays.length));
    if (stays.length > 0) kept.push({ ...batch, tickets: stays });
  }
  s.waiting = kept;
  refuse(turn, unknown, "COMMIT_UNKNOWN", `leadership was lost before the commit: ${reason}`);
  const reads = [...(lead.readRound?.readers ?? []), ...lead.queuedReads];
  const tickets = reads.flatMap((reader) => ("ticket" in reader ? [reader.ticket] : []));
  refuse(turn, tickets, "NOT_LEADER", `leadership was lost before the read: ${reason}`);
  if (lead.changeTicket !== null) {
    refuse(turn, [lead.changeTicket], "COMMIT_UNKNOWN", `leadership was lost: ${reason}`);
  }
  if (lead.transfer !== null && lead.transfer.ticket !== null) {
    turn.effects.push({
      kind: "done",
      ticket: lead.transfer.ticket,
      index: s.hard.commit,
      term: s.hard.term,
    });
  }
}

/** Reads that were forwarded, or wait to be, have nobody to answer them any more. */
export function endForwarded(turn: Turn, reason: string): void {
  const { s } = turn;
  if (s.forwarded === null && s.queuedForwards.length === 0) return;
  refuse(turn, [...(s.forwarded?.tickets ?? []), ...s.queuedForwards], "NO_LEADER", reason);
  s.forwarded = null;
  s.queuedForwards = [];
}

/** RA-22: no campaign until a leader makes contact; reads that wait for more log get an answer. */
export function becomeQuiet(turn: Turn, reason: string): void {
  const { s } = turn;
  s.quiet = true;
  note(turn, "removed", `${reason}; waiting for a leader to make contact`);
  const tickets = s.readyReads.map((read) => read.ticket);
  s.readyReads = [];
  refuse(turn, tickets, "LAGGING", "this node is cut off from the cluster");
}

/** A valid word of the leader of this term (section 5.2). */
export function heardLeader(turn: Turn, from: NodeId, term: Term): void {
  const { s } = turn;
  if (term > s.hard.term || s.role !== "follower" || s.leader !== from) {
    becomeFollower(turn, term, from, `${from} leads`);
  }
  s.electionElapsed = 0;
  s.sinceLeader = 0;
  s.quiet = false;
  if (!isFresh(s)) s.foundingTries = 0;
}

import { invariant, type LogIndex, type Term } from "../../../base/index.js";
import { lastPosition, onTruncated, truncated } from "../../progress/index.js";
import { advanceCommit, applyMore, setObstacles } from "./commit.js";
import type { RaftInput } from "./effects.js";
import { countOwnVote } from "./election.js";
import { followCommit, payAcknowledgement } from "./follower.js";
import { encodeMembership, foundingMembership } from "./membership.js";
import { syncPeers } from "./peers.js";
import { becomeFollower, restartElectionTimer } from "./roles.js";
import type { Waiting } from "./state.js";
import {
  appendEntries,
  isFresh,
  leadershipOf,
  note,
  refuse,
  releaseHeld,
  setPeer,
  type Turn,
} from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;

/** RA-2, RA-18: what the disk held is made durable before the node says anything. */
export function onRecovered(turn: Turn, input: Of<"recovered">): void {
  const { s, options, rules } = turn;
  invariant(s.phase === "starting" && s.persistSeq === 0, "a node recovers once");
  const { base, last, applied } = input;
  s.log = { base, runs: input.terms, last: last.index };
  invariant(lastPosition(s.log).term === last.term, "the terms are those of the log");
  s.configs = input.configs;
  const term = Math.max(input.hard.term, last.term) as Term;
  const commit = Math.max(Math.min(input.hard.commit, last.index), applied.index, base.index);
  s.hard = { ...input.hard, term, commit: commit as LogIndex };
  if (term > input.hard.term) s.hard = { ...s.hard, votedFor: null };
  if (input.hard.commit > last.index) {
    s.lost = true;
    note(
      turn,
      "log_lost",
      `entries up to ${input.hard.commit} were committed, the log ends before`,
    );
  }
  s.durable = applied.index;
  s.applied = applied.index;
  s.applying = applied.index;
  s.answered = applied.index;
  const { electionTicks } = options.ticks;
  s.sinceLeader = isFresh(s) ? electionTicks : rules.heardAtRestart(electionTicks);
  // The vote of a pair's last epoch names its primary; in this cluster nobody has voted yet.
  const hasVoted = s.hard.votedFor !== null && s.hard.epoch < term;
  if (options.bootstrap && s.configs.length === 0 && !hasVoted && !s.lost) {
    if (last.index === 0 && term <= 1) found(turn);
    else if (options.founders.length === 1) foundOver(turn);
  }
  turn.persist.promise = true;
}

/** RA-18: every founder writes the same first entry, so any start order founds one cluster. */
function found(turn: Turn): void {
  const { s, options } = turn;
  const membership = foundingMembership(options.founders);
  s.hard = { ...s.hard, term: 1 as Term };
  const payload = encodeMembership(membership);
  appendEntries(turn, [{ index: 1 as LogIndex, term: 1 as Term, kind: "config", payload }]);
  note(turn, "founded", membership.voters.map((member) => member.id).join(", "));
}

/** RA-32: what this node wrote alone becomes the beginning of a cluster of itself. */
function foundOver(turn: Turn): void {
  const { s, options } = turn;
  const voters = options.founders.map((member) => ({ ...member, disk: options.disk }));
  s.hard = { ...s.hard, term: (s.hard.term + 1) as Term, votedFor: null };
  const index = (s.log.last + 1) as LogIndex;
  const payload = encodeMembership({ voters, outgoing: [], learners: [] });
  appendEntries(turn, [{ index, term: s.hard.term, kind: "config", payload }]);
  note(turn, "founded", `${options.id}, over the ${index - 1} entries it has`);
}

/** RA-2, RA-8: promises and entries up to `seq` are durable; what waited for them goes out. */
export function onPersisted(turn: Turn, input: Of<"persisted">): void {
  const { s } = turn;
  if (input.seq <= s.persistedSeq) return;
  invariant(input.seq <= s.persistSeq, "only what was asked for is durable");
  s.persistedSeq = input.seq;
  const done = s.persists.findLast((one) => one.seq <= input.seq);
  s.persists = s.persists.filter((one) => one.seq > input.seq);
  if (done !== undefined) s.durable = Math.max(s.durable, done.last) as LogIndex;
  releaseHeld(turn);
  if (s.phase === "starting") {
    s.phase = "ready";
    restartElectionTimer(turn);
  }
  countOwnVote(turn);
  payAcknowledgement(turn);
  if (s.role === "follower") followCommit(turn, s.told);
  advanceCommit(turn);
  applyMore(turn);
}

/** RA-28: no room in the log: the newest entries never were; promises of the step still are. */
export function onPersistRefused(turn: Turn, input: Of<"persist_refused">): void {
  const { s } = turn;
  const { from } = input;
  invariant(from > s.durable && from > s.hard.commit, "durable entries are never refused");
  const end = (from - 1) as LogIndex;
  s.log = truncated(s.log, from);
  s.verified = Math.min(s.verified, end) as LogIndex;
  s.persists = s.persists.map((one) => (one.last > end ? { ...one, last: end } : one));
  s.configs = s.configs.filter((config) => config.index < from);
  refuseWrites(turn, from);
  setObstacles(turn, { ...s.obstacles, logFull: true });
  if (s.lead === null) return;
  if (s.lead.readyIndex >= from) {
    becomeFollower(turn, s.hard.term, null, "the log has no room for the first entry of the term");
    return;
  }
  if (s.lead.changeTicket !== null) {
    refuse(turn, [s.lead.changeTicket], "OVERLOADED", "the log's disk is full");
    s.lead = { ...s.lead, changeTicket: null };
  }
  syncPeers(turn);
  for (const [id, peer] of leadershipOf(turn).peers) {
    setPeer(turn, id, { progress: onTruncated(peer.progress, from) });
  }
  note(turn, "writes_refused", `entries from ${from} on did not fit`);
}

function refuseWrites(turn: Turn, from: LogIndex): void {
  const { s } = turn;
  const kept: Waiting[] = [];
  for (const batch of s.waiting) {
    if (batch.first < from) kept.push(batch);
    else refuse(turn, batch.tickets, "OVERLOADED", "the log's disk is full");
  }
  s.waiting = kept;
}

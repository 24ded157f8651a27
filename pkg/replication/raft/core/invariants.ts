import { invariant } from "../../../base/index.js";
import { assertProgress } from "../../progress/index.js";
import type { RaftState } from "./state.js";

/** @throws InvariantViolation when a state of the core cannot be right */
export function assertRaftInvariants(s: RaftState): void {
  invariant(s.applied <= s.applying, "nothing is applied that was not asked for");
  invariant(s.applying <= s.hard.commit, "only committed entries are applied");
  invariant(s.applying <= s.durable, "only durable entries are applied");
  invariant(s.durable <= s.log.last, "what is durable is in the log");
  invariant(s.hard.commit <= s.log.last, "what is committed is in the log");
  invariant(s.log.base.index <= s.applied, "the log is cut only below what was applied");
  invariant(s.verified <= s.log.last, "what is verified is in the log");
  invariant((s.role === "leader") === (s.lead !== null), "a leadership belongs to a leader");
  assertLog(s);
  assertConfigs(s);
  assertWaiting(s);
  if (s.lead === null) return;
  invariant(s.lead.readyIndex <= s.log.last, "a leader has an entry of its term");
  for (const peer of s.lead.peers.values()) {
    assertProgress(peer.progress);
    invariant(peer.progress.match <= s.log.last, "nobody holds more than the leader");
  }
}

function assertLog(s: RaftState): void {
  const { base, runs, last } = s.log;
  invariant((runs[0]?.first ?? last + 1) === base.index + 1, "the terms begin after the base");
  let term: number = base.term;
  let first: number = base.index;
  for (const run of runs) {
    invariant(run.first > first || run === runs[0], "runs of terms ascend");
    invariant(run.term > term || run === runs[0], "terms in a log grow");
    invariant(run.first <= last, "a run has entries");
    first = run.first;
    term = run.term;
  }
  invariant(term <= s.hard.term, "no entry is of a later term than the node");
}

function assertConfigs(s: RaftState): void {
  let previous = -1;
  for (const config of s.configs) {
    invariant(config.index > previous, "memberships ascend");
    invariant(config.index <= s.log.last, "a membership in force is in the log");
    invariant(config.membership.voters.length > 0, "somebody has a vote");
    previous = config.index;
  }
}

function assertWaiting(s: RaftState): void {
  let previous: number = s.answered;
  for (const batch of s.waiting) {
    invariant(batch.tickets.length > 0, "a waiting batch has writes");
    invariant(batch.first > previous, "waiting writes are above the answered position, in order");
    previous = batch.first + batch.tickets.length - 1;
  }
  invariant(previous <= Math.max(s.log.last, s.answered), "waiting writes are in the log");
}

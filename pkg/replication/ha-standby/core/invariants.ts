import { invariant } from "../../../base/index.js";
import { assertProgress } from "../../progress/index.js";
import type { HaState } from "./state.js";

/** @throws InvariantViolation when a state of the core cannot be right */
export function assertHaInvariants(s: HaState): void {
  invariant(s.applied <= s.applying, "nothing is applied that was not asked for");
  invariant(s.applying <= s.hard.commit, "only committed entries are applied");
  invariant(s.applying <= s.durable, "only durable entries are applied");
  invariant(s.durable <= s.log.last, "what is durable is in the log");
  invariant(s.hard.commit <= s.log.last, "what is committed is in the log");
  invariant(s.log.base.index <= s.applied, "the log is cut only below what was applied");
  invariant(s.hard.epoch === s.hard.term, "the fencing epoch is the term");
  invariant(s.lead === null || s.claim === null, "a primary seeks no promotion");
  invariant(s.lead === null || s.hard.votedFor !== null, "a primary's epoch is given to it");
  invariant(s.lead === null || s.rejoin === null, "a primary's log is the truth");
  invariant(s.lead !== null || s.waiting.length === 0, "only a primary's callers wait");
  invariant(!s.aligned || s.rejoin === null, "a log that is aligned needs nothing");
  assertLog(s);
  assertWaiting(s);
  if (s.lead === null) return;
  invariant(s.lead.readyIndex <= s.log.last, "a primary has an entry of its epoch");
  for (const peer of s.lead.peers.values()) {
    assertProgress(peer.progress);
    invariant(peer.progress.match <= s.log.last, "nobody holds more than the primary");
    invariant(peer.received <= s.log.last, "nobody received more than there is");
  }
}

function assertLog(s: HaState): void {
  const { base, runs, last } = s.log;
  invariant((runs[0]?.first ?? last + 1) === base.index + 1, "the epochs begin after the base");
  let term: number = base.term;
  let first: number = base.index;
  for (const run of runs) {
    invariant(run.first > first || run === runs[0], "runs of epochs ascend");
    invariant(run.term > term || run === runs[0], "epochs in a log grow");
    invariant(run.first <= last, "a run has entries");
    first = run.first;
    term = run.term;
  }
  invariant(term <= s.hard.term, "no entry is of a later epoch than the node");
}

function assertWaiting(s: HaState): void {
  let previous: number = s.answered;
  for (const batch of s.waiting) {
    invariant(batch.tickets.length > 0, "a waiting batch has writes");
    invariant(batch.first > previous, "waiting writes are above the answered position, in order");
    previous = batch.first + batch.tickets.length - 1;
  }
  invariant(previous <= Math.max(s.log.last, s.answered), "waiting writes are in the log");
}

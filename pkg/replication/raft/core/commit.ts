import type { LogIndex, Position } from "../../../base/index.js";
import { termAt } from "../../progress/index.js";
import type { RaftEffect, RaftInput } from "./effects.js";
import { reachedByQuorum } from "./leader-quorum.js";
import type { RaftObstacles, Waiting } from "./state.js";
import { note, type Turn } from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;

/** RA-9: counts what a quorum holds durably; an entry of an older term never commits by that. */
export function advanceCommit(turn: Turn): void {
  const { s, rules } = turn;
  if (s.lead === null) return;
  const own = rules.ownMatch(s.durable, s.log.last);
  const reached = reachedByQuorum(turn, own, (peer) => peer.progress.match);
  if (reached <= s.hard.commit) return;
  const index = reached as LogIndex;
  if (!rules.commitsByCounting(termAt(s.log, index), s.hard.term)) return;
  setCommit(turn, index);
}

export function setCommit(turn: Turn, index: LogIndex): void {
  if (index <= turn.s.hard.commit) return;
  turn.s.hard = { ...turn.s.hard, commit: index };
  applyMore(turn);
}

/** RA-11: one apply is under way at a time; the next takes all that is committed and durable. */
export function applyMore(turn: Turn): void {
  const { s, rules } = turn;
  if (s.applying !== s.applied || s.obstacles.storageFull || s.installing !== null) return;
  const upTo = rules.mayApply(s.hard.commit, s.durable) as LogIndex;
  if (upTo <= s.applied) return;
  s.applying = upTo;
  turn.effects.push({ kind: "apply", upTo });
}

export function onApplied(turn: Turn, input: Of<"applied">): void {
  const { s } = turn;
  s.applied = input.upTo.index;
  s.answered = Math.max(s.answered, s.applied) as LogIndex;
  answerWrites(turn, s.applied);
  answerReads(turn);
  setObstacles(turn, { ...s.obstacles, storageFull: false });
  applyMore(turn);
}

/** RA-12: a write is answered once, after it was applied here, with the term it was logged in. */
function answerWrites(turn: Turn, applied: LogIndex): void {
  const { s } = turn;
  if (s.waiting.length === 0) return;
  const waiting: Waiting[] = [];
  for (const batch of s.waiting) {
    const reached = Math.min(batch.tickets.length, Math.max(0, applied - batch.first + 1));
    for (let offset = 0; offset < reached; offset += 1) {
      turn.effects.push(answerOf(batch, offset));
    }
    if (reached === 0) waiting.push(batch);
    else if (reached < batch.tickets.length) {
      const first = (batch.first + reached) as LogIndex;
      waiting.push({ ...batch, first, tickets: batch.tickets.slice(reached) });
    }
  }
  s.waiting = waiting;
}

function answerOf(batch: Waiting, offset: number): RaftEffect {
  return {
    kind: "answer",
    ticket: batch.tickets[offset] as number,
    index: (batch.first + offset) as LogIndex,
    term: batch.term,
    durability: "quorum",
  };
}

/** RA-16: a confirmed read waits until this node's state has reached its index. */
export function answerReads(turn: Turn): void {
  const { s, rules } = turn;
  if (s.readyReads.length === 0) return;
  const rest = s.readyReads.filter((read) => {
    if (!rules.hasReached(s.applied, read.index)) return true;
    turn.effects.push({ kind: "read_ready", ticket: read.ticket, index: read.index });
    return false;
  });
  if (rest.length < s.readyReads.length) s.readyReads = rest;
}

/** The state machine fell back for want of space; the log brings it forward later. */
export function onApplyRefused(turn: Turn, position: Position): void {
  const { s } = turn;
  s.applied = position.index;
  s.applying = position.index;
  setObstacles(turn, { ...s.obstacles, storageFull: true });
}

export function onApplyRetry(turn: Turn): void {
  const { s, rules } = turn;
  if (!s.obstacles.storageFull || s.applying !== s.applied || s.installing !== null) return;
  const upTo = rules.mayApply(s.hard.commit, s.durable) as LogIndex;
  s.applying = upTo;
  turn.effects.push({ kind: "apply", upTo });
}

export function obstacleOf(obstacles: RaftObstacles): string | null {
  if (obstacles.storageFull) return "the storage's disk is full";
  if (obstacles.logFull) return "the log's disk is full";
  if (obstacles.diskLow) return "free disk space is under the reserve";
  return null;
}

export function setObstacles(turn: Turn, obstacles: RaftObstacles): void {
  const before = obstacleOf(turn.s.obstacles);
  const after = obstacleOf(obstacles);
  turn.s.obstacles = obstacles;
  if (before === null && after !== null) note(turn, "writes_refused", after);
  if (before !== null && after === null) note(turn, "writes_resumed", before);
}

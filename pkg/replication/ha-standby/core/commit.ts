import type { LogIndex, Position } from "../../../base/index.js";
import { hasAuthority, peersOf, setsInForce } from "./authority.js";
import type { HaEffect, HaInput } from "./effects.js";
import type { Durability, HaObstacles, Owed, Peer, Waiting } from "./state.js";
import { note, refuse, type Turn } from "./turn.js";

type Of<Kind extends HaInput["kind"]> = Extract<HaInput, { kind: Kind }>;

const standing = ({ received, progress }: Peer) => ({ received, durable: progress.match });

/** HA-7, HA-8: what may be acknowledged by the mode, and only under authority. */
export function advanceCommit(turn: Turn): void {
  const { s, rules, options } = turn;
  if (s.lead === null || s.durable <= s.hard.commit || !hasAuthority(turn)) return;
  let reached: number = s.durable;
  if (options.syncMode !== "async") {
    const sets = setsInForce(turn).map((set) => peersOf(turn, set).map(standing));
    const reach = { durable: s.durable, sets };
    reached = options.syncMode === "sync" ? rules.syncReach(reach) : rules.semiSyncReach(reach);
  }
  setCommit(turn, reached as LogIndex);
}

export function setCommit(turn: Turn, index: LogIndex): void {
  if (index <= turn.s.hard.commit) return;
  turn.s.hard = { ...turn.s.hard, commit: index };
  applyMore(turn);
}

/** HA-14: one apply is under way at a time; the next takes all that is committed and durable. */
export function applyMore(turn: Turn): void {
  const { s } = turn;
  if (s.applying !== s.applied || s.obstacles.storageFull) return;
  if (s.rejoin?.kind === "installing" || s.lost) return;
  const upTo = Math.min(s.hard.commit, s.durable) as LogIndex;
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

/** How far any standby has come. */
function reachOf(turn: Turn): { readonly received: number; readonly durable: number } {
  let [received, durable] = [0, 0];
  for (const peer of turn.s.lead?.peers.values() ?? []) {
    received = Math.max(received, peer.received);
    durable = Math.max(durable, peer.progress.match);
  }
  return { received, durable };
}

type Reach = ReturnType<typeof reachOf>;

/** What is true of an entry at this moment: where it is. */
function durabilityOf({ received, durable }: Reach, index: LogIndex): Durability {
  if (durable >= index) return "persisted";
  return received >= index ? "received" : "local";
}

const RANK: Record<Durability, number> = {
  local: 0,
  received: 1,
  persisted: 2,
  quorum: 2,
  region: 2,
};

function isReached(reach: Reach, index: LogIndex, want: Durability | null): boolean {
  return want === null || RANK[durabilityOf(reach, index)] >= RANK[want];
}

/**
 * HA-6: a write is answered once, after it was applied, under authority. What cannot be answered
 * yet is owed: its result is handed over now and told later.
 */
function answerWrites(turn: Turn, applied: LogIndex): void {
  const { s, rules } = turn;
  if (s.waiting.length === 0) return;
  const may = rules.mayAnswer(hasAuthority(turn));
  const reach = reachOf(turn);
  const waiting: Waiting[] = [];
  const owed: Owed[] = [];
  for (const batch of s.waiting) {
    const reached = Math.min(batch.tickets.length, Math.max(0, applied - batch.first + 1));
    for (let offset = 0; offset < reached; offset += 1) {
      const index = (batch.first + offset) as LogIndex;
      const want = batch.wants[offset] ?? null;
      const ticket = batch.tickets[offset] as number;
      const final = may && isReached(reach, index, want);
      if (!final) owed.push({ ticket, index, want });
      turn.effects.push(answerOf(reach, batch, offset, final));
    }
    if (reached < batch.tickets.length) waiting.push(rest(batch, reached));
  }
  s.waiting = waiting;
  if (owed.length > 0) s.owed = [...s.owed, ...owed];
}

function rest(batch: Waiting, count: number): Waiting {
  return {
    ...batch,
    first: (batch.first + count) as LogIndex,
    tickets: batch.tickets.slice(count),
    wants: batch.wants.slice(count),
  };
}

function answerOf(reach: Reach, batch: Waiting, offset: number, final: boolean): HaEffect {
  const index = (batch.first + offset) as LogIndex;
  const ticket = batch.tickets[offset] as number;
  const durability = durabilityOf(reach, index);
  if (!final) return { kind: "hold", ticket, index, term: batch.term };
  return { kind: "answer", ticket, index, term: batch.term, durability };
}

/** What was owed is told as soon as it is true and may be said. */
export function payOwed(turn: Turn): void {
  const { s, rules } = turn;
  if (s.owed.length === 0 || s.lead === null || !rules.mayAnswer(hasAuthority(turn))) return;
  const reach = reachOf(turn);
  const left = s.owed.filter(({ ticket, index, want }) => {
    if (!isReached(reach, index, want)) return true;
    turn.effects.push({ kind: "settle", ticket, durability: durabilityOf(reach, index) });
    return false;
  });
  if (left.length < s.owed.length) s.owed = left;
}

/** HA-6: a node that is no primary any more cannot say what becomes of what it logged. */
export function endWaiting(turn: Turn, reason: string): void {
  const { s } = turn;
  for (const { tickets } of s.waiting) refuse(turn, tickets, "COMMIT_UNKNOWN", reason);
  refuse(
    turn,
    s.owed.map(({ ticket }) => ticket),
    "COMMIT_UNKNOWN",
    reason,
  );
  refuse(
    turn,
    s.readyReads.map(({ ticket }) => ticket),
    "NOT_LEADER",
    reason,
  );
  s.waiting = [];
  s.owed = [];
  s.readyReads = [];
}

/** A read is answered from a state that has reached its index. */
export function answerReads(turn: Turn): void {
  const { s } = turn;
  if (s.readyReads.length === 0 || !turn.rules.mayAnswer(hasAuthority(turn))) return;
  const left = s.readyReads.filter(({ ticket, index }) => {
    if (s.applied < index) return true;
    turn.effects.push({ kind: "read_ready", ticket, index });
    return false;
  });
  if (left.length < s.readyReads.length) s.readyReads = left;
}

/** The state machine fell back for want of space; the log brings it forward later. */
export function onApplyRefused(turn: Turn, position: Position): void {
  const { s } = turn;
  s.applied = position.index;
  s.applying = position.index;
  setObstacles(turn, { ...s.obstacles, storageFull: true });
}

export function onApplyRetry(turn: Turn): void {
  const { s } = turn;
  if (!s.obstacles.storageFull || s.applying !== s.applied) return;
  if (s.rejoin?.kind === "installing" || s.lost) return;
  const upTo = Math.min(s.hard.commit, s.durable) as LogIndex;
  s.applying = upTo;
  turn.effects.push({ kind: "apply", upTo });
}

export function obstacleOf(obstacles: HaObstacles): string | null {
  if (obstacles.storageFull) return "the storage's disk is full";
  if (obstacles.logFull) return "the log's disk is full";
  if (obstacles.diskLow) return "free disk space is under the reserve";
  return null;
}

export function setObstacles(turn: Turn, obstacles: HaObstacles): void {
  const before = obstacleOf(turn.s.obstacles);
  const after = obstacleOf(obstacles);
  turn.s.obstacles = obstacles;
  if (before === null && after !== null) note(turn, "writes_refused", after);
  if (before !== null && after === null) note(turn, "writes_resumed", before);
}

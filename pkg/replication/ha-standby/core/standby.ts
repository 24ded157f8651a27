import type { LogIndex, NodeId, Term } from "../../../base/index.js";
import type { Entry } from "../../ports/index.js";
import { termAt } from "../../progress/index.js";
import type { HaHeartbeat, WalBatch } from "../messages.js";
import { alignWith } from "./rejoin.js";
import { endClaim, followPrimary } from "./roles.js";
import { acknowledge, followCommit, standing } from "./standing.js";
import type { Follow } from "./state.js";
import { appendEntries, note, send, setEpoch, type Turn } from "./turn.js";

/** HA-3: whose word counts: a newer epoch's, or this epoch's if it is given to the sender. */
function obey(turn: Turn, from: NodeId, epoch: HaHeartbeat["epoch"]): boolean {
  const { s, rules } = turn;
  if (!rules.obeys(epoch, s.hard.term)) return false;
  if (epoch <= s.hard.term) {
    const { votedFor } = s.hard;
    if (s.lead !== null || (votedFor !== null && votedFor !== from)) {
      note(turn, "message_refused", `${from} claims epoch ${epoch}, which is ${votedFor}'s`);
      // This node gave the epoch away, perhaps to itself, and it was granted to another: only a
      // later one can be followed from here, and the answer asks for it.
      if (s.lead === null) leaveEpoch(turn);
      return false;
    }
    if (s.follow?.epoch === epoch && votedFor === from) return true;
  }
  followPrimary(turn, from, epoch > s.hard.term ? epoch : s.hard.term);
  return true;
}

function leaveEpoch(turn: Turn): void {
  const { s } = turn;
  endClaim(turn, "the epoch it seeks has a primary");
  setEpoch(turn, (s.hard.term + 1) as Term, null);
  s.quietSince = s.now;
}

function setFollow(turn: Turn, change: Partial<Follow>): void {
  const { s } = turn;
  if (s.follow !== null) s.follow = { ...s.follow, ...change };
}

/** HA-3, HA-20: the primary is there; the answer says where this log ends, and promises. */
export function onHeartbeat(turn: Turn, from: NodeId, message: HaHeartbeat): void {
  const { s, options } = turn;
  const obeyed = obey(turn, from, message.epoch);
  const promise = obeyed && s.claim === null && s.follow?.yielded !== true;
  if (obeyed) {
    s.quietSince = s.now;
    const told = message.inSync && message.disk === options.disk;
    setFollow(turn, {
      heardAt: s.now,
      told,
      commit: Math.max(message.commit, s.follow?.commit ?? 0) as LogIndex,
      last: message.last.index,
      gone: false,
    });
    if (promise) s.promiseUntil = s.now + options.ticks.ttlTicks + 1;
    if (!s.aligned && message.table !== null) alignWith(turn, message.table);
    if (s.aligned) followCommit(turn);
  }
  send(turn, from, {
    kind: "heartbeat_response",
    epoch: s.hard.term,
    at: message.at,
    round: message.round,
    disk: options.disk,
    ...standing(turn),
    applied: s.applied,
    promise,
  });
}

/** HA-13: only what follows is taken; what comes early waits, what is known is answered again. */
export function onWalBatch(turn: Turn, from: NodeId, batch: WalBatch): void {
  const { s, options } = turn;
  if (!obey(turn, from, batch.epoch)) {
    acknowledge(turn, from, null);
    return;
  }
  s.quietSince = s.now;
  setFollow(turn, {
    heardAt: s.now,
    gone: false,
    commit: Math.max(batch.commit, s.follow?.commit ?? 0) as LogIndex,
  });
  if (!isSound(batch)) {
    note(turn, "message_refused", `entries of ${from} do not follow each other`);
    return;
  }
  if (!s.aligned) {
    acknowledge(turn, from, null);
    return;
  }
  if (batch.prev.index > s.log.last) {
    if (s.early.length < options.limits.earlyBatchesMax) s.early = [...s.early, batch];
    acknowledge(turn, from, batch.prev.index);
    return;
  }
  const before = s.log.last;
  if (!takeBatch(turn, batch)) return;
  takeEarly(turn);
  followCommit(turn);
  if (s.log.last === before) acknowledge(turn, from, null);
  else turn.effects.push({ kind: "echo", seq: s.log.last });
}

function takeEarly(turn: Turn): void {
  const { s } = turn;
  for (;;) {
    const next = s.early.find(({ prev }) => prev.index <= s.log.last);
    if (next === undefined) return;
    s.early = s.early.filter((one) => one !== next);
    if (!takeBatch(turn, next)) return;
  }
}

function takeBatch(turn: Turn, batch: WalBatch): boolean {
  const { s, rules } = turn;
  const { prev, entries } = batch;
  const known = prev.index < s.log.base.index ? prev.term : termAt(s.log, prev.index);
  if (!rules.fits(known, prev.term)) {
    s.aligned = false;
    note(
      turn,
      "message_refused",
      `entry ${prev.index} is not the primary's: the logs are compared`,
    );
    return false;
  }
  const news = entries.filter((entry) => entry.index > s.log.last);
  if (news.length > 0) appendEntries(turn, news);
  return true;
}

function isSound({ prev, entries, epoch }: WalBatch): boolean {
  let { index, term }: { index: number; term: number } = prev;
  for (const entry of entries as readonly Entry[]) {
    index += 1;
    if (entry.index !== index || entry.term < term || entry.term > epoch) return false;
    term = entry.term;
  }
  return true;
}

/** The log had room for everything up to `upTo`. */
export function onEchoed(turn: Turn, upTo: number): void {
  const { s, options } = turn;
  if (s.lead !== null || !s.aligned) return;
  s.logged = Math.max(s.logged, Math.min(upTo, s.log.last)) as LogIndex;
  if (s.follow !== null && options.syncMode === "semi_sync") {
    acknowledge(turn, s.follow.primary, null);
  }
}

import type { LogIndex, NodeId } from "../../../base/index.js";
import type { Entry } from "../../ports/index.js";
import { firstOfTerm, termAt } from "../../progress/index.js";
import type { Append, Heartbeat } from "../messages.js";
import { setCommit } from "./commit.js";
import { decodeMembership } from "./membership.js";
import { areSound } from "./replication.js";
import { heardLeader } from "./roles.js";
import { appendEntries, cutLog, note, send, type Turn } from "./turn.js";

/** RA-6, RA-7: entries are taken where they fit, and only a real conflict cuts the log. */
export function onAppend(turn: Turn, from: NodeId, message: Append): void {
  const { s, rules } = turn;
  if (!rules.obeys(message.term, s.hard.term)) {
    reject(turn, from, message.prevIndex);
    return;
  }
  if (s.role === "leader" && message.term === s.hard.term) {
    note(turn, "message_refused", `${from} claims to lead the term that this node leads`);
    return;
  }
  if (!areSound(message.entries, message) || message.entries.some(isUnreadable)) {
    note(turn, "message_refused", `entries of ${from} do not follow each other`);
    return;
  }
  heardLeader(turn, from, message.term);
  if (s.installing !== null || s.lost) return;
  const skipped = Math.min(
    message.entries.length,
    Math.max(0, s.log.base.index - message.prevIndex),
  );
  const prevIndex = (message.prevIndex + skipped) as LogIndex;
  const end = (message.prevIndex + message.entries.length) as LogIndex;
  if (end <= s.log.base.index) {
    acknowledge(turn, end, message.commit);
    return;
  }
  const prevTerm = skipped > 0 ? s.log.base.term : message.prevTerm;
  if (!rules.fits(termAt(s.log, prevIndex), prevTerm) || prevIndex > s.log.last) {
    reject(turn, from, prevIndex);
    return;
  }
  if (!takeEntries(turn, message.entries.slice(skipped), prevIndex)) return;
  acknowledge(turn, end, message.commit);
}

function isUnreadable(entry: Entry): boolean {
  return entry.kind === "config" && decodeMembership(entry.payload) === undefined;
}

function takeEntries(turn: Turn, entries: readonly Entry[], prevIndex: LogIndex): boolean {
  const { s, rules } = turn;
  const conflict = entries.find(
    (entry) => entry.index <= s.log.last && termAt(s.log, entry.index) !== entry.term,
  );
  const from = rules.cutFrom(conflict?.index ?? null, (prevIndex + 1) as LogIndex);
  if (from !== null && from <= s.log.last) {
    if (from <= s.hard.commit) {
      note(turn, "message_refused", `entry ${from} is committed and differs from the leader's`);
      return false;
    }
    cutLog(turn, from);
    note(turn, "tail_replaced", `entries from ${from} on were never committed`);
  }
  const news = entries.filter((entry) => entry.index > s.log.last);
  if (news.length > 0) appendEntries(turn, news);
  return true;
}

/** RA-7, RA-8: what matches is believed at once and acknowledged when it is durable. */
function acknowledge(turn: Turn, upTo: LogIndex, commit: LogIndex): void {
  const { s } = turn;
  const again = upTo <= s.verified;
  s.verified = Math.max(s.verified, upTo) as LogIndex;
  s.ackOwed = true;
  if (again) s.acked = -1;
  followCommit(turn, commit);
  payAcknowledgement(turn);
}

/**
 * RA-7: a follower commits what the leader says, as far as its log is the leader's and durable; so
 * the commit it saves never lies beyond its log, whatever the disk loses.
 */
export function followCommit(turn: Turn, leaderCommit: LogIndex): void {
  const { s, rules } = turn;
  s.told = Math.max(s.told, leaderCommit) as LogIndex;
  setCommit(turn, Math.min(s.durable, rules.commitBound(s.told, s.verified)) as LogIndex);
}

/** RA-8: tells the leader what is durable here, when that is news. */
export function payAcknowledgement(turn: Turn): void {
  const { s, rules, options } = turn;
  if (!s.ackOwed || s.leader === null || s.role !== "follower") return;
  const matchIndex = rules.acknowledged(s.verified, s.durable) as LogIndex;
  s.ackOwed = matchIndex < s.verified;
  if (matchIndex <= s.acked) return;
  s.acked = matchIndex;
  send(turn, s.leader, {
    kind: "append_response",
    term: s.hard.term,
    success: true,
    matchIndex,
    disk: options.disk,
  });
}

function reject(turn: Turn, to: NodeId, prevIndex: LogIndex): void {
  const { s, options } = turn;
  const conflictTerm = termAt(s.log, prevIndex) ?? null;
  const end = (s.log.last + 1) as LogIndex;
  send(turn, to, {
    kind: "append_response",
    term: s.hard.term,
    success: false,
    prevIndex,
    conflictIndex: conflictTerm === null ? end : firstOfTerm(s.log, prevIndex),
    conflictTerm,
    disk: options.disk,
  });
}

/** RA-14, RA-25: the leader is there; a follower that lost what it acknowledged learns it here. */
export function onHeartbeat(turn: Turn, from: NodeId, message: Heartbeat): void {
  const { s, rules, options } = turn;
  if (rules.obeys(message.term, s.hard.term)) {
    if (s.role === "leader" && message.term === s.hard.term) {
      note(turn, "message_refused", `${from} claims to lead the term that this node leads`);
      return;
    }
    heardLeader(turn, from, message.term);
    checkIntact(turn, message);
    if (!s.lost && s.installing === null) followCommit(turn, message.commit);
  }
  send(turn, from, {
    kind: "heartbeat_response",
    term: s.hard.term,
    round: message.round,
    at: message.at,
    matchIndex: rules.acknowledged(s.verified, s.durable) as LogIndex,
    verified: s.verified,
    intact: !s.lost,
    disk: options.disk,
  });
}

function checkIntact(turn: Turn, message: Heartbeat): void {
  const { s, options } = turn;
  if (message.disk !== options.disk || s.installing !== null || s.lost) return;
  if (message.prevIndex <= s.log.base.index) return;
  const ownTerm = termAt(s.log, message.prevIndex);
  if (ownTerm === message.prevTerm) {
    s.verified = Math.max(s.verified, message.prevIndex) as LogIndex;
    return;
  }
  s.lost = true;
  note(
    turn,
    "log_lost",
    `entry ${message.prevIndex} was acknowledged from this disk and is gone; empty the data directory so that the node joins anew`,
  );
}

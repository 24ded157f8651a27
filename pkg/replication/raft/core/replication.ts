import { invariant, type LogIndex, type NodeId } from "../../../base/index.js";
import type { Entry } from "../../ports/index.js";
import {
  lastUpToTerm,
  maySend,
  onAcknowledged,
  onAsked,
  onRejected,
  onSent,
  termAt,
  toProbe,
  toSnapshot,
} from "../../progress/index.js";
import type { AppendResponse } from "../messages.js";
import { advanceCommit } from "./commit.js";
import type { RaftInput } from "./effects.js";
import { hear } from "./peers.js";
import { becomeFollower } from "./roles.js";
import type { Peer } from "./state.js";
import { leadershipOf, note, setPeer, type Turn } from "./turn.js";

type Of<Kind extends RaftInput["kind"]> = Extract<RaftInput, { kind: Kind }>;
type Rejection = Extract<AppendResponse, { success: false }>;

/** RA-24: the next entries for one follower, if its window has room and there are any. */
export function replicateTo(turn: Turn, to: NodeId): void {
  const { s, options } = turn;
  const peer = leadershipOf(turn).peers.get(to);
  if (peer === undefined || peer.lost || !maySend(peer.progress, options.limits)) return;
  const { next, match, phase } = peer.progress;
  const searches = phase === "probe" && next - 1 > match;
  if (next > s.log.last && !searches) return;
  const prevIndex = (next - 1) as LogIndex;
  const prevTerm = termAt(s.log, prevIndex);
  if (prevTerm === undefined) {
    startSnapshot(turn, to, peer);
    return;
  }
  setPeer(turn, to, { progress: onAsked(peer.progress, s.now) });
  turn.effects.push({
    kind: "send_entries",
    to,
    term: s.hard.term,
    prevIndex,
    prevTerm,
    from: next,
    upTo: s.log.last,
    bytesMax: options.limits.appendBytesMax,
    commit: s.hard.commit,
  });
}

/** RA-21: the log no longer holds what the follower needs. */
function startSnapshot(turn: Turn, to: NodeId, peer: Peer): void {
  const { s } = turn;
  invariant(peer.progress.next <= s.log.base.index, "a snapshot is for what was compacted");
  const minIndex = s.log.base.index;
  setPeer(turn, to, { progress: toSnapshot(peer.progress, minIndex) });
  turn.effects.push({ kind: "send_snapshot", to, term: s.hard.term, minIndex });
  note(turn, "snapshot_needed", `${to} needs entries that were compacted`);
}

export function onEntriesSent(turn: Turn, input: Of<"sent">): void {
  const { s } = turn;
  const peer = s.lead?.peers.get(input.to);
  if (peer === undefined || input.term !== s.hard.term) return;
  if (input.compacted) {
    // The log was cut a moment ago; `compacted` follows, and the next round goes on from there.
    setPeer(turn, input.to, { progress: { ...toProbe(peer.progress), paused: true } });
    return;
  }
  const sent = { upTo: input.upTo, bytes: input.bytes, at: s.now };
  const progress = onSent(peer.progress, sent);
  setPeer(turn, input.to, { progress });
  if (input.upTo >= peer.progress.next) replicateTo(turn, input.to);
}

/** RA-24: what was under way may be lost; it goes on with the next answered round. */
export function onUnreachable(turn: Turn, id: NodeId): void {
  const peer = turn.s.lead?.peers.get(id);
  if (peer === undefined || peer.progress.phase === "snapshot") return;
  setPeer(turn, id, { progress: { ...toProbe(peer.progress), paused: true } });
}

export function onSnapshotSent(turn: Turn, input: Of<"snapshot_sent">): void {
  const { s } = turn;
  const peer = s.lead?.peers.get(input.to);
  if (peer === undefined || input.term !== s.hard.term) return;
  if (peer.progress.phase !== "snapshot") return;
  const probe = toProbe(peer.progress);
  const next = Math.max(probe.next, (input.position?.index ?? 0) + 1) as LogIndex;
  setPeer(turn, input.to, { progress: { ...probe, next, paused: true } });
}

/** A follower's answer to entries: further, or where its log differs. */
export function onAppendResponse(turn: Turn, from: NodeId, answer: AppendResponse): void {
  const { s, rules } = turn;
  if (answer.term > s.hard.term) {
    becomeFollower(turn, answer.term, null, `${from} knows a newer term`);
    return;
  }
  if (s.lead === null || !rules.answersThisTerm(answer.term, s.hard.term)) return;
  const peer = hear(turn, from, answer.disk);
  if (peer === undefined) return;
  if (answer.success) {
    if (answer.matchIndex > s.log.last) return;
    setPeer(turn, from, { progress: onAcknowledged(peer.progress, answer.matchIndex) });
    if (answer.matchIndex > peer.progress.match) advanceCommit(turn);
  } else {
    const retryAt = retryIndex(turn, answer);
    const { prevIndex } = answer;
    setPeer(turn, from, { progress: onRejected(peer.progress, { prevIndex, retryAt }) });
  }
  replicateTo(turn, from);
}

/** RA-7: back up by whole terms (section 5.3), from the follower's term of the conflict. */
function retryIndex(turn: Turn, answer: Rejection): LogIndex {
  const { log } = turn.s;
  if (answer.conflictTerm === null) return answer.conflictIndex;
  const ours = lastUpToTerm(log, answer.conflictTerm);
  const shared = termAt(log, ours) === answer.conflictTerm && ours > log.base.index;
  return shared ? ((ours + 1) as LogIndex) : (Math.min(answer.conflictIndex, ours + 1) as LogIndex);
}

/** The term of each entry follows the one before, none is above the leader's. */
export function areSound(
  entries: readonly Entry[],
  after: { readonly prevIndex: LogIndex; readonly prevTerm: number; readonly term: number },
): boolean {
  let index: number = after.prevIndex;
  let term = after.prevTerm;
  for (const entry of entries) {
    index += 1;
    if (entry.index !== index || entry.term < term || entry.term > after.term) return false;
    term = entry.term;
  }
  return true;
}

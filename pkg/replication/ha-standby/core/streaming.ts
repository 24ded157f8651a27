import type { LogIndex, NodeId } from "../../../base/index.js";
import { maySend, onAsked, onSent, termAt, toProbe } from "../../progress/index.js";
import type { HaInput } from "./effects.js";
import { leadershipOf, setPeer, type Turn } from "./turn.js";

type Of<Kind extends HaInput["kind"]> = Extract<HaInput, { kind: Kind }>;

/** HA-12: the next entries for one standby, from its own position on, as its window allows. */
export function replicateTo(turn: Turn, to: NodeId): void {
  const { s, options } = turn;
  const peer = leadershipOf(turn).peers.get(to);
  if (peer === undefined || !peer.aligned || !maySend(peer.progress, options.limits)) return;
  const { next } = peer.progress;
  if (next > s.log.last) return;
  const index = (next - 1) as LogIndex;
  const term = termAt(s.log, index);
  if (term === undefined) {
    // The standby sees from the next table that it needs a copy.
    setPeer(turn, to, { aligned: false });
    return;
  }
  setPeer(turn, to, { progress: onAsked(peer.progress, s.now) });
  turn.effects.push({
    kind: "send_entries",
    to,
    epoch: s.hard.term,
    prev: { index, term },
    from: next,
    upTo: s.log.last,
    bytesMax: options.limits.appendBytesMax,
    entriesMax: options.limits.batchEntriesMax,
    commit: s.hard.commit,
  });
}

export function replicateAll(turn: Turn): void {
  for (const id of leadershipOf(turn).peers.keys()) replicateTo(turn, id);
}

export function onEntriesSent(turn: Turn, input: Of<"sent">): void {
  const { s } = turn;
  const peer = s.lead?.peers.get(input.to);
  if (s.lead === null || peer === undefined || input.epoch !== s.hard.term) return;
  if (input.compacted) {
    setPeer(turn, input.to, { progress: { ...toProbe(peer.progress), paused: true } });
    return;
  }
  const sent = { upTo: input.upTo, bytes: input.bytes, at: s.now };
  setPeer(turn, input.to, { progress: onSent(peer.progress, sent) });
  if (input.upTo >= peer.progress.next) replicateTo(turn, input.to);
}

/** What was under way may be lost; it goes on with the next answered round. */
export function onUnreachable(turn: Turn, id: NodeId): void {
  const peer = turn.s.lead?.peers.get(id);
  if (peer === undefined) return;
  setPeer(turn, id, { progress: { ...toProbe(peer.progress), paused: true } });
}

import { NO_POSITION, type NodeId, type Term } from "../../../base/index.js";
import {
  createProgress,
  lastPosition,
  onAcknowledged,
  onRoundAnswered,
} from "../../progress/index.js";
import type { HaHeartbeatResponse, WalAck } from "../messages.js";
import { hasAuthority, surelyInSync } from "./authority.js";
import { freshPeer } from "./peer.js";
import { tableOf } from "./positions.js";
import type { Peer } from "./state.js";
import { replicateTo } from "./streaming.js";
import { leadershipOf, note, send, setLead, setPeer, type Turn } from "./turn.js";

type Standing = Pick<WalAck, "aligned" | "received" | "durable">;

export function broadcastHeartbeat(turn: Turn): void {
  const lead = leadershipOf(turn);
  setLead(turn, {
    heartbeatElapsed: 0,
    sentCommit: turn.s.hard.commit,
    round: lead.round + 1,
  });
  for (const id of lead.peers.keys()) sendHeartbeat(turn, id);
}

export function sendHeartbeat(turn: Turn, to: NodeId): void {
  const { s, options } = turn;
  const { peers, readyIndex } = leadershipOf(turn);
  const peer = peers.get(to);
  if (peer === undefined) return;
  // Before the first entry of the epoch is committed, the commit does not cover all that earlier
  // primaries acknowledged.
  const ready = peer.aligned && s.hard.commit >= readyIndex;
  send(turn, to, {
    kind: "heartbeat",
    epoch: s.hard.term,
    at: s.now,
    round: leadershipOf(turn).round,
    last: lastPosition(s.log) ?? NO_POSITION,
    commit: s.hard.commit,
    authority: hasAuthority(turn),
    inSync: ready && surelyInSync(turn).includes(to),
    disk: peer.disk,
    table: peer.aligned ? null : tableOf(s.log, options.limits.tableRunsMax),
  });
}

/** HA-9, HA-12: what a standby holds, and what it promises. */
export function onHeartbeatResponse(turn: Turn, from: NodeId, answer: HaHeartbeatResponse): void {
  const { s } = turn;
  if (!hear(turn, from, answer) || answer.at > s.now) return;
  const peer = leadershipOf(turn).peers.get(from) as Peer;
  setPeer(turn, from, {
    applied: answer.applied,
    promisedAt: answer.promise ? Math.max(peer.promisedAt, answer.at) : peer.promisedAt,
  });
  takeStanding(turn, from, answer);
  const now = leadershipOf(turn).peers.get(from) as Peer;
  if (!now.aligned) return;
  const round = { at: answer.at, verified: answer.received };
  const { heartbeatTicks } = turn.options.ticks;
  setPeer(turn, from, { progress: onRoundAnswered(now.progress, round, heartbeatTicks) });
  replicateTo(turn, from);
}

export function onWalAck(turn: Turn, from: NodeId, ack: WalAck): void {
  if (!hear(turn, from, ack)) return;
  takeStanding(turn, from, ack);
  replicateTo(turn, from);
}

/** HA-9, HA-24: an answer counts in its epoch, and from the disk it came from. */
function hear(
  turn: Turn,
  from: NodeId,
  answer: { readonly epoch: Term; readonly disk: string },
): boolean {
  const { s, rules } = turn;
  const peer = s.lead?.peers.get(from);
  if (peer === undefined || !rules.counts(answer.epoch, s.hard.term)) return false;
  if (!rules.isSameDisk(peer.disk, answer.disk)) {
    if (peer.disk !== null) note(turn, "standby_wiped", `${from} came back with another disk`);
    setPeer(turn, from, freshPeer(s.now, answer.disk));
  }
  setPeer(turn, from, { heardAt: s.now });
  return true;
}

function takeStanding(turn: Turn, from: NodeId, { aligned, received, durable }: Standing): void {
  const { s } = turn;
  const peer = leadershipOf(turn).peers.get(from) as Peer;
  if (!aligned) {
    if (peer.aligned) {
      const { promisedAt, disk } = peer;
      setPeer(turn, from, { ...freshPeer(s.now, disk), promisedAt });
    }
    return;
  }
  if (received > s.log.last) return;
  const progress = peer.aligned
    ? onAcknowledged(peer.progress, durable)
    : onAcknowledged(createProgress(durable), durable);
  const even = received === s.log.last;
  setPeer(turn, from, {
    aligned: true,
    received: Math.max(peer.received, received) as Peer["received"],
    evenAt: even ? s.now : peer.evenAt,
    progress,
  });
}

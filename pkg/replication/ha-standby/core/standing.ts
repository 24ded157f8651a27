import type { LogIndex, NodeId } from "../../../base/index.js";
import { setCommit } from "./commit.js";
import { send, type Turn } from "./turn.js";

/** HA-12: what of the primary's log is here, and what of it is durable. */
export function standing(turn: Turn) {
  const { s, rules } = turn;
  if (!s.aligned) return { aligned: false, received: 0 as LogIndex, durable: 0 as LogIndex };
  const durable = Math.min(s.durable, s.log.last) as LogIndex;
  const received = Math.max(durable, Math.min(s.logged, s.log.last)) as LogIndex;
  return { aligned: true, received, durable: rules.acknowledged(received, durable) };
}

/** HA-14: the commit that is saved never lies beyond what is durable here. */
export function followCommit(turn: Turn): void {
  const { s, rules } = turn;
  if (s.follow === null || !s.aligned) return;
  setCommit(turn, rules.commitBound(s.follow.commit, s.log.last, s.durable) as LogIndex);
}

/** HA-12: the true position, whatever came. */
export function acknowledge(turn: Turn, to: NodeId, gapAt: LogIndex | null): void {
  const { s, options } = turn;
  const { epoch, disk } = { epoch: s.hard.term, disk: options.disk };
  send(turn, to, { kind: "wal_ack", epoch, disk, ...standing(turn), gapAt });
}

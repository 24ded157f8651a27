import type { LogIndex, NodeId } from "../../../base/index.js";
import { createProgress } from "../../progress/index.js";
import { memberIds } from "./membership.js";
import type { Peer } from "./state.js";
import { leadershipOf, membershipOf, note, setLead, setPeer, type Turn } from "./turn.js";

/** One peer for each other member of the newest membership; those who left are dropped. */
export function syncPeers(turn: Turn): void {
  const { s, options } = turn;
  const lead = leadershipOf(turn);
  const peers = new Map<NodeId, Peer>();
  for (const id of memberIds(membershipOf(s))) {
    if (id === options.id) continue;
    const fresh: Peer = {
      progress: createProgress(s.log.last),
      disk: null,
      heardAt: s.now,
      round: 0,
      askedAt: Number.NEGATIVE_INFINITY,
      lost: false,
    };
    peers.set(id, lead.peers.get(id) ?? fresh);
  }
  setLead(turn, { peers });
}

/** Any answer of this term: the peer is there, on that disk. */
export function hear(turn: Turn, from: NodeId, disk: string): Peer | undefined {
  const { s } = turn;
  const peer = leadershipOf(turn).peers.get(from);
  if (peer === undefined) return undefined;
  if (peer.disk === disk) setPeer(turn, from, { heardAt: s.now });
  else {
    if (peer.disk !== null) note(turn, "member_wiped", `${from} came back with another disk`);
    const progress = createProgress((s.log.last + 1) as LogIndex);
    setPeer(turn, from, { heardAt: s.now, disk, progress, lost: false });
  }
  return leadershipOf(turn).peers.get(from);
}

import type { LogIndex, NodeId } from "../../base/index.js";
import type { PeerHealth } from "../replicator.js";
import { memberIds } from "./core/membership.js";
import type { RaftView } from "./core/view.js";

export interface PeerHealthParts {
  readonly view: RaftView;
  readonly self: NodeId;
  readonly tickMs: number;
  isConnected(id: NodeId): boolean;
  addressOf(id: NodeId): string | undefined;
  /** For how long something after that index has been committed, in milliseconds. */
  behindMs(index: LogIndex): number;
}

/** A link silent for longer counts as unhealthy, in ticks of the core. */
const HEALTHY_SILENT_TICKS = 100;

/** The other members as this node sees them: only the leader knows what each of them has. */
export function peerHealth(parts: PeerHealthParts): readonly PeerHealth[] {
  const { view, self, tickMs } = parts;
  return memberIds(view.membership)
    .filter((id) => id !== self)
    .map((id) => {
      const seen = view.peers.find((peer) => peer.id === id);
      const connected = parts.isConnected(id);
      const common = { id, address: parts.addressOf(id) ?? "", role: roleOf(view, id) };
      if (seen === undefined) {
        const state = connected ? "connected" : "unreachable";
        return {
          ...common,
          healthy: connected,
          lag: null,
          lagMs: null,
          state,
          lastContactMs: null,
        };
      }
      return {
        ...common,
        healthy: seen.silentTicks < HEALTHY_SILENT_TICKS,
        lag: view.lastIndex - seen.match,
        lagMs: parts.behindMs(seen.match),
        state: seen.phase,
        lastContactMs: seen.silentTicks * tickMs,
      };
    });
}

function roleOf({ membership, leaderId }: RaftView, id: NodeId): string {
  if (id === leaderId) return "leader";
  return membership.learners.some((learner) => learner.id === id) ? "learner" : "follower";
}

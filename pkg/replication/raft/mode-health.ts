import type { LogIndex, NodeId, Term } from "../../base/index.js";
import type { ModeHealth } from "../driver/mode.js";
import type { ReplicatorEvent } from "../replicator.js";
import type { Membership } from "./core/membership.js";
import type { RaftState } from "./core/state.js";
import type { RaftView } from "./core/view.js";
import type { RaftTiming } from "./mode-parts.js";
import { peerHealth } from "./peer-health.js";

export interface ModeHealthParts {
  readonly view: RaftView;
  readonly own: { readonly id: NodeId; readonly address: string };
  readonly tickMs: number;
  /** How long this node has heard of no leader; 0 while it does, or leads. */
  readonly leaderSilentMs: number;
  isConnected(id: NodeId): boolean;
  addressOf(id: NodeId): string | undefined;
  /** For how long something after that index has been committed, in milliseconds. */
  behindMs(index: LogIndex): number;
}

/** What the health page says of a member of a cluster. */
export function modeHealth(parts: ModeHealthParts): ModeHealth {
  const { view, own } = parts;
  const leader = view.leaderId;
  const leaderAddr = leader === own.id ? own.address : leader && parts.addressOf(leader);
  return {
    address: own.address,
    leaderAddr: leaderAddr ?? null,
    peers: peerHealth({ ...parts, self: own.id }),
    lagMs: Math.max(parts.behindMs(view.appliedIndex), parts.leaderSilentMs),
  };
}

/** A leader that misses a heartbeat is not silent yet. */
export function silentMs(state: RaftState, { tickMs, outageMs }: RaftTiming): number {
  if (state.lead !== null) return 0;
  const silent = state.sinceLeader * tickMs;
  return silent > outageMs ? silent : 0;
}

export function membersEvent(membership: Membership, term: Term, at: number): ReplicatorEvent {
  const ids = (list: readonly { readonly id: NodeId }[]) => list.map(({ id }) => id);
  const { voters, outgoing, learners } = membership;
  return {
    kind: "members",
    voters: ids(voters),
    outgoing: ids(outgoing),
    learners: ids(learners),
    term,
    at,
  };
}

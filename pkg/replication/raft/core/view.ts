import type { LogIndex, NodeId, Term } from "../../../base/index.js";
import type { CoreView } from "../../driver/effects.js";
import { obstacleOf } from "./commit.js";
import { hearsQuorum, holdsLease, quorumSilence } from "./leader-quorum.js";
import { findVoter, type Membership } from "./membership.js";
import type { RaftState } from "./state.js";
import { beginTurn, type CoreParts, membershipOf } from "./turn.js";

/** One other member as the leader sees it. */
export interface PeerView {
  readonly id: NodeId;
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly phase: "probe" | "replicate" | "snapshot";
  readonly silentTicks: number;
  readonly lost: boolean;
}

export interface RaftView extends CoreView {
  readonly leaderId: NodeId | null;
  readonly lastIndex: LogIndex;
  readonly durableIndex: LogIndex;
  readonly baseIndex: LogIndex;
  readonly membership: Membership;
  readonly membershipIndex: LogIndex;
  readonly membershipCommitted: boolean;
  /** Reads at level LEADER are answered without a round. */
  readonly hasLease: boolean;
  readonly hearsQuorum: boolean;
  /** Ticks since a quorum was last heard; 0 for one who leads nobody. */
  readonly silentTicks: number;
  readonly transferTo: NodeId | null;
  readonly lost: boolean;
  readonly peers: readonly PeerView[];
}

export function viewOf(parts: CoreParts, s: RaftState): RaftView {
  const obstacle = obstacleOf(s.obstacles);
  const config = s.configs.at(-1);
  const membershipIndex = config?.index ?? (0 as LogIndex);
  const serves = s.lead !== null && s.phase === "ready" && s.applied >= s.lead.readyIndex;
  return {
    role: roleOf(parts, s),
    state: s.phase === "ready" && obstacle !== null ? "read_only" : s.phase,
    reason: obstacle,
    isLeader: serves,
    term: s.hard.term as Term,
    commitIndex: s.hard.commit,
    appliedIndex: s.applied,
    leaderId: s.leader,
    lastIndex: s.log.last,
    durableIndex: s.durable,
    baseIndex: s.log.base.index,
    membership: membershipOf(s),
    membershipIndex,
    membershipCommitted: membershipIndex <= s.hard.commit,
    // Asked for seldom, and dear: the view is looked at after every step.
    get hasLease() {
      return holdsLease(beginTurn(parts, s));
    },
    get hearsQuorum() {
      return s.lead !== null && hearsQuorum(beginTurn(parts, s));
    },
    get silentTicks() {
      return s.lead === null ? 0 : quorumSilence(beginTurn(parts, s));
    },
    transferTo: s.lead?.transfer?.target ?? null,
    lost: s.lost,
    get peers() {
      return peersOf(s);
    },
  };
}

function peersOf(s: RaftState): PeerView[] {
  return [...(s.lead?.peers ?? [])].map(([id, peer]) => ({
    id,
    match: peer.progress.match,
    next: peer.progress.next,
    phase: peer.progress.phase,
    silentTicks: s.now - peer.heardAt,
    lost: peer.lost,
  }));
}

function roleOf(parts: CoreParts, s: RaftState): string {
  if (s.role === "precandidate") return "candidate";
  if (s.role !== "follower") return s.role;
  if (s.lost || s.quiet) return "detached";
  return findVoter(membershipOf(s), parts.options.id) === undefined ? "learner" : "follower";
}

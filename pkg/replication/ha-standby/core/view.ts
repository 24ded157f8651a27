import type { LogIndex, NodeId, Term } from "../../../base/index.js";
import type { CoreView } from "../../driver/effects.js";
import { hasAuthority } from "./authority.js";
import { obstacleOf } from "./commit.js";
import { type Stage, stageOf } from "./stage.js";
import type { HaState } from "./state.js";
import { beginTurn, type CoreParts } from "./turn.js";
import { type Refusal, refusalOf } from "./writes.js";

/** One standby as the primary sees it. */
export interface StandbyView {
  readonly id: NodeId;
  readonly inContact: boolean;
  readonly silentTicks: number;
  readonly aligned: boolean;
  readonly inSync: boolean;
  readonly received: LogIndex;
  readonly durable: LogIndex;
  readonly applied: LogIndex;
  readonly lagEntries: number;
  /** Ticks since it last held all there was; 0 while it does. */
  readonly lagTicks: number;
}

export interface HaView extends CoreView {
  readonly role: "primary" | "standby" | "fenced";
  readonly stage: Stage;
  readonly leaderId: NodeId | null;
  readonly epoch: Term;
  readonly lastIndex: LogIndex;
  readonly durableIndex: LogIndex;
  readonly baseIndex: LogIndex;
  /** This primary may acknowledge now. */
  readonly authority: boolean;
  readonly splitBrainPossible: boolean;
  /** Entries above this one may still be needed by a standby that is known. */
  readonly retainFrom: LogIndex;
  /** Ticks since the primary was heard; null on a primary and where none was heard. */
  readonly silentTicks: number | null;
  readonly lagEntries: number;
  readonly switchoverTo: NodeId | null;
  /** What a write given to this node is told; null: it is taken. */
  readonly refusal: Refusal | null;
  readonly lost: boolean;
  readonly standbys: readonly StandbyView[];
}

export function viewOf(parts: CoreParts, s: HaState): HaView {
  const turn = beginTurn(parts, s);
  const { options } = parts;
  const authority = hasAuthority(turn);
  const serves = s.lead !== null && s.phase === "ready" && s.applied >= s.lead.readyIndex;
  const refusal = refusalOf(turn) ?? null;
  const obstacle = s.lead !== null ? (refusal?.reason ?? null) : obstacleOf(s.obstacles);
  const failed = s.lost && s.rejoin === null;
  return {
    role: s.lead !== null ? "primary" : s.fenced ? "fenced" : "standby",
    stage: stageOf(parts, s),
    state: stateOf(s, obstacle, failed),
    reason: failed ? "committed entries are missing: a primary is needed to copy from" : obstacle,
    isLeader: serves && authority,
    term: s.hard.term,
    epoch: s.hard.term,
    commitIndex: s.hard.commit,
    appliedIndex: s.applied,
    leaderId: s.lead !== null ? options.id : followed(parts, s),
    lastIndex: s.log.last,
    durableIndex: s.durable,
    baseIndex: s.log.base.index,
    authority,
    splitBrainPossible: options.arbiter === "peer" && options.policy === "availability",
    retainFrom: retainFrom(parts, s),
    silentTicks: s.lead !== null || s.follow === null ? null : s.now - s.follow.heardAt,
    lagEntries: s.lead !== null ? 0 : Math.max(0, (s.follow?.last ?? 0) - s.applied),
    switchoverTo: s.lead?.switchover?.target ?? null,
    refusal,
    lost: s.lost,
    get standbys() {
      return standbysOf(parts, s);
    },
  };
}

function stateOf(s: HaState, obstacle: string | null, failed: boolean): CoreView["state"] {
  if (s.phase !== "ready") return s.phase;
  return obstacle !== null || failed ? "read_only" : "ready";
}

function followed({ options }: CoreParts, s: HaState): NodeId | null {
  if (s.follow === null || s.follow.epoch !== s.hard.term) return null;
  return s.now - s.follow.heardAt < options.ticks.failoverTicks ? s.follow.primary : null;
}

/** A standby keeps what is not surely everywhere: it cannot know, so all that it has not applied. */
function retainFrom({ options }: CoreParts, s: HaState): LogIndex {
  if (s.lead === null) return Math.min(s.hard.commit, s.applied) as LogIndex;
  const matches = options.peers.map((id) => s.lead?.peers.get(id)?.progress.match ?? 0);
  return Math.min(s.applied, ...matches) as LogIndex;
}

function standbysOf({ options }: CoreParts, s: HaState): StandbyView[] {
  return [...(s.lead?.peers ?? [])].map(([id, peer]) => ({
    id,
    inContact: peer.disk !== null && s.now - peer.heardAt < options.ticks.contactTicks,
    silentTicks: s.now - peer.heardAt,
    aligned: peer.aligned,
    inSync: s.lead?.inSync.includes(id) ?? false,
    received: peer.received,
    durable: peer.progress.match,
    applied: peer.applied,
    lagEntries: s.log.last - peer.progress.match,
    lagTicks: peer.received === s.log.last ? 0 : s.now - peer.evenAt,
  }));
}

import type { LogIndex, NodeId } from "../../base/index.js";
import type { ModeHealth } from "../driver/mode.js";
import type { LogStore } from "../ports/index.js";
import type { Health, PeerHealth } from "../replicator.js";
import type { HaState } from "./core/state.js";
import type { HaCore } from "./core/step.js";
import type { HaView, StandbyView } from "./core/view.js";
import type { PeerAddress } from "./peers.js";

export interface HealthParts {
  readonly own: PeerAddress;
  readonly peers: readonly PeerAddress[];
  readonly core: HaCore;
  readonly state: HaState;
  readonly log: LogStore;
  readonly timing: { readonly tickMs: number };
  /** For how long this node has lacked something, in milliseconds. */
  readonly lagMs: number;
  isConnected(id: NodeId): boolean;
  nameOf(id: NodeId): NodeId;
}

type HaHealth = ModeHealth & Pick<Health, "lagEntries" | "stage" | "inSync" | "splitBrainPossible">;

/** The pair as this node sees it: only the primary knows what each standby has. */
export function haHealth(parts: HealthParts): HaHealth {
  const { own, peers, core, state, lagMs } = parts;
  const view = core.view(state);
  const primary = primaryOf(state, own.id);
  const known = [own, ...peers].find(({ id }) => id === primary);
  return {
    address: own.address,
    leaderAddr: known?.address ?? null,
    lagEntries: view.lagEntries,
    lagMs,
    stage: view.stage,
    inSync: view.stage === "streaming" && state.follow?.told === true,
    splitBrainPossible: view.splitBrainPossible,
    peers: peers.map((peer) => peerHealth(parts, view, peer, primary)),
  };
}

/** Who is primary, as far as this node knows. */
export function primaryOf(state: HaState, self: NodeId): NodeId | null {
  return state.lead === null ? (state.follow?.primary ?? null) : self;
}

/** Bytes of the log that this standby has not acknowledged, by the mean size of what the log holds. */
export function lagBytes(log: LogStore, match: LogIndex): number {
  const entries = log.last.index - log.firstIndex + 1;
  const behind = Math.max(0, log.last.index - match);
  return entries <= 0 ? 0 : Math.round((log.sizeBytes / entries) * Math.min(behind, entries));
}

function peerHealth(
  parts: HealthParts,
  view: HaView,
  peer: PeerAddress,
  primary: NodeId | null,
): PeerHealth {
  const { log, timing, isConnected, nameOf } = parts;
  const { tickMs } = timing;
  const connected = isConnected(peer.id);
  const seen = view.standbys.find(({ id }) => id === peer.id);
  const common = { id: nameOf(peer.id) as string, address: peer.address };
  if (seen !== undefined) {
    return {
      ...common,
      role: seen.inSync ? "sync_standby" : "standby",
      healthy: seen.inContact && seen.aligned,
      lag: seen.lagEntries,
      lagMs: seen.lagTicks * tickMs,
      lagBytes: lagBytes(log, seen.durable),
      state: stateOf(seen, connected),
      lastContactMs: seen.silentTicks * tickMs,
    };
  }
  const isPrimary = peer.id === primary;
  const silentTicks = isPrimary ? view.silentTicks : null;
  return {
    ...common,
    role: isPrimary ? "primary" : "standby",
    healthy: connected,
    lag: null,
    state: connected ? "connected" : "unreachable",
    lastContactMs: silentTicks === null ? null : silentTicks * tickMs,
  };
}

function stateOf({ inContact, aligned, lagEntries }: StandbyView, connected: boolean): string {
  if (!connected && !inContact) return "unreachable";
  if (!aligned) return "syncing";
  return lagEntries === 0 ? "streaming" : "catching_up";
}

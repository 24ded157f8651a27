import type { RegionId } from "../../../base/index.js";
import { NOTHING, type RegionState } from "./state.js";
import { seqOf } from "./vectors.js";

export interface RegionLag {
  /** Changes of this region that the other has not said it contains. */
  readonly entries: number;
  /** For how long the oldest of them has been there. */
  readonly ticks: number;
  /** `asking`: where it is is not known yet, or it does not answer. */
  /** Why it is `refused`; null otherwise. */
  readonly reason: string | null;
  readonly state: "asking" | "streaming" | "waiting" | "refused" | "needs_copy" | "given_up";
}

/** MR-39: what this node knows as leader; a node that does not lead knows what the state says. */
export function lagOf(state: RegionState, self: RegionId): ReadonlyMap<RegionId, RegionLag> {
  const { view, senders, marks, now } = state;
  const own = seqOf(view.have, self);
  const lags = [...view.known].map(([region, known]) => {
    const sender = senders.get(region);
    const contained = Math.max(seqOf(known, self), seqOf(sender?.position ?? NOTHING, self));
    const oldest = marks.find(({ seq }) => seq > contained);
    const entries = own - contained;
    const ticks = entries === 0 || oldest === undefined ? 0 : now - oldest.at;
    const reason = sender?.refused ?? null;
    return [region, { entries, ticks, reason, state: stateOf(state, region) }] as const;
  });
  return new Map(lags);
}

function stateOf({ view, senders }: RegionState, region: RegionId): RegionLag["state"] {
  const sender = senders.get(region);
  if (view.lost.has(region)) return "given_up";
  if (sender === undefined) return "asking";
  if (sender.needsCopy) return "needs_copy";
  if (sender.refused !== null) return "refused";
  if (sender.position === null) return "asking";
  return sender.held === null ? "streaming" : "waiting";
}

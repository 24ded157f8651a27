import type { RegionId } from "../../base/index.js";
import type { RegionHealth } from "../replicator.js";
import type { RegionLag } from "./core/index.js";
import type { RegionLinks } from "./links.js";

export interface RegionHealthParts {
  readonly lag: ReadonlyMap<RegionId, RegionLag>;
  /** This node sends: it knows more than what its state says. */
  readonly isLeading: boolean;
  readonly tickMs: number;
  /** Mean size of a change, in bytes; undefined while none was read. */
  readonly changeBytes: number | undefined;
  /** Where nothing is to be told nobody notices that a region is gone, but for its link. */
  readonly links: Pick<RegionLinks, "isConnected" | "addressOf">;
  clockAheadMs(region: RegionId): number;
  /** What this node itself has against the region's changes. */
  objection(region: RegionId): string | undefined;
}

/** What the health page says of the other regions, by name. */
export function regionsHealth(parts: RegionHealthParts): readonly RegionHealth[] {
  const { lag, isLeading, tickMs, changeBytes, links, clockAheadMs, objection } = parts;
  return [...lag].map(([region, { entries, ticks, state: doing, reason }]) => {
    const isGone = doing === "streaming" && !links.isConnected(region);
    const known = isGone ? "asking" : doing;
    const state = isLeading || known === "given_up" ? known : "unknown";
    return {
      region,
      state,
      reason: objection(region) ?? REASONS[reason ?? state] ?? null,
      address: isLeading ? links.addressOf(region) : null,
      lagEntries: entries,
      lagBytes: bytesOf(entries, changeBytes),
      lagMs: ticks * tickMs,
      clockAheadMs: clockAheadMs(region),
    };
  });
}

function bytesOf(entries: number, changeBytes: number | undefined): number | null {
  if (entries === 0) return 0;
  return changeBytes === undefined ? null : Math.round(entries * changeBytes);
}

const REASONS: Readonly<Record<string, string>> = {
  asking: "it does not answer, or nobody leads there",
  waiting: "it lacks changes of a third region, on which these build",
  needs_copy: "what it lacks is not kept any more: it needs a copy of this region",
  given_up: "it was given up, and is told nothing until it is readmitted",
  stranger: "it does not have this region in its list",
  lost: "it has given this region up; readmit it there",
  settings: "it has another strategy or another list of regions",
  ahead: "it has changes of this region that this region does not know: this is an old copy",
};

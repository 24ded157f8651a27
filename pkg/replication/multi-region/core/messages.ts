import type { RegionId } from "../../../base/index.js";
import type { Vector } from "../../ports/index.js";

export type { Vector } from "../../ports/index.js";

/** Changes of one region, without gaps. */
export interface ChangesRun {
  readonly origin: RegionId;
  readonly firstSeq: number;
  readonly texts: readonly string[];
}

/** What the leader of one region tells another region. */
export interface ChangesMessage {
  readonly from: RegionId;
  /** What its region contained when it said this; its own changes among it. */
  readonly contains: Vector;
  /** Those that others build on come first; empty: it only says what it contains. */
  readonly runs: readonly ChangesRun[];
}

/** `settings`: the two do not agree about strategy or list of regions. */
export type Refusal = "stranger" | "lost" | "settings";

/** What comes back. `have` is what the receiver's committed state contains. */
export type ChangesAnswer =
  | {
      readonly kind: "taken";
      readonly have: Vector;
      /** What the sender's region contains is part of the receiver's state, too. */
      readonly learned: boolean;
    }
  /** Something is missing before it; `missing` must come first. */
  | { readonly kind: "gap" | "early"; readonly have: Vector; readonly missing: Vector }
  /** Too much is under way; nothing of it was taken. */
  | { readonly kind: "busy"; readonly have: Vector }
  /** Whether it was taken is not known. */
  | { readonly kind: "failed" }
  | { readonly kind: "not_leader"; readonly leader: string | null }
  /** Until somebody changes settings or copies data nothing will be taken. */
  | { readonly kind: "refused"; readonly reason: Refusal };

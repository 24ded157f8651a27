import type { RegionId, RequestId } from "../../../base/index.js";
import type { ChangesAnswer, ChangesMessage, ChangesRun, Vector } from "./messages.js";
import type { RegionView } from "./state.js";

/** What came of a command that the core asked for. */
export type Proposed =
  | {
      readonly ok: true;
      readonly have: Vector;
      /** Something before it is missing. */
      readonly stopped: { readonly outcome: string; readonly missing: Vector } | null;
      /** How far the other region's clock is ahead of what is allowed for. */
      readonly clockAheadMs: number;
    }
  | { readonly ok: false };

export type RegionInput =
  | { readonly kind: "tick" }
  /** This node leads its region, and may write, or does not any more. */
  | { readonly kind: "role"; readonly leading: boolean; readonly leader: string | null }
  | { readonly kind: "applied"; readonly view: RegionView }
  /** What was asked for by `load`. */
  | {
      readonly kind: "loaded";
      readonly region: RegionId;
      readonly ticket: number;
      readonly run: ChangesRun;
    }
  | { readonly kind: "not_kept"; readonly region: RegionId; readonly ticket: number }
  /** Another region's message, to be answered under `call`. */
  | { readonly kind: "request"; readonly call: number; readonly message: ChangesMessage }
  | {
      readonly kind: "reply";
      readonly region: RegionId;
      readonly ticket: number;
      readonly answer: ChangesAnswer;
    }
  | { readonly kind: "unreachable"; readonly region: RegionId; readonly ticket: number }
  | { readonly kind: "proposed"; readonly ticket: number; readonly outcome: Proposed }
  /** A client's write is this region's change `seq`; it is answered once another region has it. */
  | { readonly kind: "wait"; readonly request: RequestId; readonly seq: number }
  /** It does not wait any longer. */
  | { readonly kind: "forsake"; readonly request: RequestId };

export type RegionProposal =
  | {
      readonly op: "receive";
      readonly from: RegionId;
      readonly upTo: number;
      readonly contains: Vector;
      readonly texts: readonly string[];
    }
  | { readonly op: "give_up"; readonly region: RegionId };

export type RegionNote =
  | "region_reached"
  | "region_unreachable"
  | "region_needs_copy"
  | "region_is_ahead"
  | "region_refuses"
  | "region_clock_ahead"
  | "region_given_up"
  | "region_relayed";

export type RegionEffect =
  /** Read changes that are kept; answered by `loaded` or `not_kept`. */
  | {
      readonly kind: "load";
      readonly region: RegionId;
      readonly ticket: number;
      readonly origin: RegionId;
      readonly after: number;
      readonly countMax: number;
      readonly charsMax: number;
    }
  /** Answered by `reply` or `unreachable`. */
  | {
      readonly kind: "send";
      readonly region: RegionId;
      readonly ticket: number;
      readonly message: ChangesMessage;
    }
  /** Other nodes of the region should be tried; `leader` if one was named. */
  | { readonly kind: "retarget"; readonly region: RegionId; readonly leader: string | null }
  | { readonly kind: "propose"; readonly ticket: number; readonly operation: RegionProposal }
  | { readonly kind: "answer"; readonly call: number; readonly answer: ChangesAnswer }
  /** `reached` false: whether another region has it is not known. */
  | { readonly kind: "release"; readonly request: RequestId; readonly reached: boolean }
  | {
      readonly kind: "note";
      readonly event: RegionNote;
      readonly region: RegionId;
      readonly reason: string;
    };

export interface RegionStep<State> {
  readonly state: State;
  readonly effects: readonly RegionEffect[];
}

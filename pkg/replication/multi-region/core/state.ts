import type { RegionId, RequestId } from "../../../base/index.js";
import type { Refusal, Vector } from "./messages.js";

/** What this region's applied state says; replaced whenever it has changed. */
export interface RegionView {
  readonly have: Vector;
  /** Changes up to there are not kept any more. */
  readonly floor: Vector;
  /** What each other region is known to contain. */
  readonly known: ReadonlyMap<RegionId, Vector>;
  readonly lost: ReadonlySet<RegionId>;
}

export interface SentMessage {
  readonly ticket: number;
  /** This region's own changes up to there are with the receiver when it is taken. */
  readonly upTo: number;
  readonly contains: Vector;
}

/** How this region stands towards another one to which it sends. */
export interface Sender {
  /** What the receiver said that it contains; null: it must be asked. */
  readonly position: Vector | null;
  /** Own changes up to there were sent since. */
  readonly next: number;
  readonly inFlight: readonly SentMessage[];
  /** Changes are being read for it: of whom, and under which ticket. */
  readonly loading: { readonly ticket: number; readonly origin: RegionId } | null;
  /** Nothing is sent before that tick. */
  readonly retryAt: number;
  readonly failures: number;
  /** The tick since which a change has been waiting to leave. */
  readonly waitingSince: number | null;
  /** What it waits for from others, and since when. */
  readonly held: { readonly missing: Vector; readonly since: number } | null;
  /** What it was told last, and when. */
  readonly told: Vector;
  readonly toldAt: number;
  readonly needsCopy: boolean;
  /** `ahead`: it contains changes of this region that this region does not know. */
  readonly refused: Refusal | "ahead" | null;
}

export interface Proposal {
  readonly ticket: number;
  /** The call that gets the answer. */
  readonly call: number;
  /** The sender's own changes that must be here for what it contains to count. */
  readonly upTo: number;
}

/** How this region stands towards another one from which it takes. */
export interface Receiver {
  /** What it will contain of each region when all that is under way is applied. */
  readonly planned: Vector;
  readonly proposals: readonly Proposal[];
  readonly learnedAt: number;
}

export interface RegionState {
  readonly now: number;
  readonly leading: boolean;
  /** Where the leader of this region is reached, for those who ask the wrong node. */
  readonly leader: string | null;
  readonly nextTicket: number;
  readonly view: RegionView;
  readonly senders: ReadonlyMap<RegionId, Sender>;
  readonly receivers: ReadonlyMap<RegionId, Receiver>;
  readonly waits: readonly { readonly request: RequestId; readonly seq: number }[];
  /** When this region's own changes were there, the oldest first, thinned out. */
  readonly marks: readonly { readonly seq: number; readonly at: number }[];
  /** A region is being given up under that ticket. */
  readonly givingUp: number | null;
  /** None is given up before that tick: what became of the last one is seen a little later. */
  readonly giveUpAt: number;
}

export const NOTHING: Vector = new Map();

export const NEW_SENDER: Sender = {
  position: null,
  next: 0,
  inFlight: [],
  loading: null,
  retryAt: 0,
  failures: 0,
  waitingSince: null,
  held: null,
  told: NOTHING,
  toldAt: 0,
  needsCopy: false,
  refused: null,
};

export const NEW_RECEIVER: Receiver = { planned: NOTHING, proposals: [], learnedAt: 0 };

export const INITIAL_REGION_STATE: RegionState = {
  now: 0,
  leading: false,
  leader: null,
  nextTicket: 1,
  view: { have: NOTHING, floor: NOTHING, known: new Map(), lost: new Set() },
  senders: new Map(),
  receivers: new Map(),
  waits: [],
  marks: [],
  givingUp: null,
  giveUpAt: 0,
};

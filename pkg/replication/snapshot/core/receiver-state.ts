import { invariant, type LogIndex, type Term } from "../../../base/index.js";
import type { SnapshotLimits } from "./limits.js";
import { chunkCount, type Refusal, type SnapshotOffer, type SnapshotReply } from "./messages.js";

/** The receiver's number for a message that waits for its answer. */
export type Ticket = number;

export type ReceiverInput =
  /** What the disk held at the start: its first chunks, or all of it, proven as a whole. */
  | {
      readonly kind: "recovered";
      readonly offer: SnapshotOffer;
      readonly chunks: number;
      readonly whole: boolean;
    }
  /** The node has learned of this term. */
  | { readonly kind: "term"; readonly term: Term }
  | {
      readonly kind: "offer";
      readonly ticket: Ticket;
      readonly offer: SnapshotOffer;
      /** What this node has applied. */
      readonly applied: LogIndex;
      readonly hasRoom: boolean;
    }
  /** `check` of the chunk next in line; of another one it means nothing. */
  | {
      readonly kind: "chunk";
      readonly ticket: Ticket;
      readonly id: string;
      readonly index: number;
      readonly check: "intact" | "corrupt" | "foreign";
    }
  /** Chunks below `chunks` survive a power cut. */
  | { readonly kind: "synced"; readonly id: string; readonly chunks: number }
  | { readonly kind: "finish"; readonly ticket: Ticket; readonly id: string }
  /** The whole was compared with its checksum, and is durable if it is intact. */
  | { readonly kind: "verified"; readonly id: string; readonly intact: boolean }
  | { readonly kind: "installed"; readonly id: string }
  | { readonly kind: "install_failed"; readonly id: string }
  /** The disk refused: what was written is of no use. */
  | { readonly kind: "stage_failed"; readonly id: string }
  | { readonly kind: "abort"; readonly ticket: Ticket; readonly id: string }
  | { readonly kind: "tick" };

export type ReceiverEffect =
  /** Start an empty stage for this offer; what was staged before is gone. */
  | { readonly kind: "begin"; readonly offer: SnapshotOffer }
  /** Write the chunk of the message at hand. */
  | { readonly kind: "write"; readonly index: number }
  | { readonly kind: "sync"; readonly id: string; readonly chunks: number }
  /** Compare the whole with the checksum of the message at hand, and make it durable. */
  | { readonly kind: "verify"; readonly id: string }
  /** The copy may be installed; answer with `installed` or `install_failed`. */
  | { readonly kind: "received"; readonly offer: SnapshotOffer }
  /** What is staged is of no use any more. */
  | { readonly kind: "discard"; readonly reason: Refusal | "installed" | "expired" }
  | { readonly kind: "reply"; readonly ticket: Ticket; readonly reply: SnapshotReply };

/** Answered once `index` is durable; -1 stands for the stage itself, which an offer waits for. */
interface Waiting {
  readonly ticket: Ticket;
  readonly index: number;
}

/** 0 <= durable <= written <= chunks of the offer. */
export interface Transfer {
  readonly offer: SnapshotOffer;
  readonly phase: "receiving" | "verifying" | "installing";
  readonly written: number;
  readonly durable: number;
  readonly syncing: boolean;
  /** Messages whose answer waits for a sync. */
  readonly waiting: readonly Waiting[];
  /** Questions whether it is whole, while that is found out. */
  readonly asking: readonly Ticket[];
  /** Times the chunk at `written` came damaged. */
  readonly attempts: number;
  /** Since the last message. */
  readonly idleTicks: number;
}

export interface ReceiverState {
  readonly limits: SnapshotLimits;
  /** The highest term seen; never falls. */
  readonly term: Term;
  readonly transfer: Transfer | null;
  /** How the transfer before ended, for a sender that asks once more. */
  readonly last: { readonly id: string; readonly installed: boolean } | null;
}

export interface ReceiverStep {
  readonly state: ReceiverState;
  readonly effects: readonly ReceiverEffect[];
}

export function newReceiver(term: Term, limits: SnapshotLimits): ReceiverState {
  return { limits, term, transfer: null, last: null };
}

/** @throws InvariantViolation */
export function assertReceiver({ limits, term, transfer }: ReceiverState): void {
  if (transfer === null) return;
  const { offer, written, durable, waiting, asking, attempts } = transfer;
  invariant(offer.term <= term, "no term above the highest");
  invariant(0 <= durable && durable <= written, "what is durable was written");
  invariant(written <= chunkCount(offer), "no chunk beyond the end");
  invariant(waiting.length + asking.length <= limits.waitingMax, "few answers wait");
  invariant(
    waiting.every(({ index }) => index < written),
    "a message waits for what was written",
  );
  invariant(attempts < limits.attemptsMax, "damaged chunks are asked for a few times only");
  if (transfer.phase === "receiving") return;
  invariant(durable === chunkCount(offer), "only a whole and durable copy is proven");
  invariant(waiting.length === 0, "nothing waits for a sync any more");
}

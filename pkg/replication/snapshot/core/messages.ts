import type { JsonValue, LogIndex, Position, Term } from "../../../base/index.js";

/** What a sender announces. Two offers with the same id are of the same bytes. */
export interface SnapshotOffer {
  readonly id: string;
  /** The sender's term, or fencing epoch: a receiver that knows a higher one refuses. */
  readonly term: Term;
  /** The last entry that the content holds. */
  readonly position: Position;
  readonly sizeBytes: number;
  /** Every chunk has this many bytes, but for the last. */
  readonly chunkBytes: number;
  /** To be taken even by a receiver that has applied as much: its state is to be replaced. */
  readonly force: boolean;
  /** The membership committed at `position`, opaque here; null when the mode has none. */
  readonly config: JsonValue;
}

/** One message from sender to receiver; each has one answer. */
export type SnapshotRequest =
  | { readonly kind: "offer"; readonly offer: SnapshotOffer }
  | {
      readonly kind: "chunk";
      readonly id: string;
      /** From 0. */
      readonly index: number;
      /** CRC32 of `bytes`. */
      readonly crc: number;
      /** CRC32 of the content from its first byte to the end of this chunk. */
      readonly sum: number;
      readonly bytes: Uint8Array;
    }
  /** `sha256`: of the whole content, in hexadecimal. */
  | { readonly kind: "finish"; readonly id: string; readonly sha256: string }
  | { readonly kind: "abort"; readonly id: string };

/**
 * Why a receiver does not go on. `older_term`: it knows a higher term. `not_newer`: it has applied
 * as much. `outdated`: it is receiving a newer copy. `busy`: it is installing one; ask later.
 * `unknown`: it knows no such transfer; offer again. `changed`: the id is known with other facts.
 * `foreign`: the chunk is sound but does not continue what came before. `corrupt`: damaged too
 * often, or as a whole. `too_large`, `no_room`, `failed`: it cannot store or use the copy.
 * `aborted`: the sender said so. `replaced`: by another offer.
 */
export const REFUSALS = [
  "older_term",
  "not_newer",
  "outdated",
  "busy",
  "unknown",
  "changed",
  "foreign",
  "corrupt",
  "too_large",
  "no_room",
  "failed",
  "aborted",
  "replaced",
] as const;
export type Refusal = (typeof REFUSALS)[number];

export type SnapshotReply =
  /** Chunks below `next` survive a power cut at the receiver. */
  | { readonly kind: "ack"; readonly id: string; readonly next: number }
  /** Send again from `next` on; nothing is said about durability. */
  | {
      readonly kind: "resend";
      readonly id: string;
      readonly next: number;
      readonly reason: "gap" | "corrupt";
    }
  | { readonly kind: "installing"; readonly id: string }
  | { readonly kind: "installed"; readonly id: string }
  | {
      readonly kind: "refuse";
      readonly id: string;
      readonly reason: Refusal;
      /** With `older_term`: the term that the receiver knows. */
      readonly term: Term;
      /** With `not_newer`: what the receiver has applied. */
      readonly index: LogIndex;
    };

/** Chunks of a content of that size. */
export function chunkCount(offer: Pick<SnapshotOffer, "sizeBytes" | "chunkBytes">): number {
  return Math.ceil(offer.sizeBytes / offer.chunkBytes);
}

/** Payload of the chunk at `index`, in bytes. */
export function chunkLength(
  offer: Pick<SnapshotOffer, "sizeBytes" | "chunkBytes">,
  index: number,
): number {
  return Math.min(offer.chunkBytes, offer.sizeBytes - index * offer.chunkBytes);
}

/** True when both announce the same content in the same pieces. */
export function sameOffer(a: SnapshotOffer, b: SnapshotOffer): boolean {
  return (
    a.id === b.id &&
    a.term === b.term &&
    a.position.index === b.position.index &&
    a.position.term === b.position.term &&
    a.sizeBytes === b.sizeBytes &&
    a.chunkBytes === b.chunkBytes
  );
}

import type { LogIndex, NodeId } from "../../../base/index.js";
import type { ContentAnswers, ContentQuery } from "../../ports/index.js";

/**
 * What a marker entry asks of every node that applies it. Each fixes its content there, so all of
 * them can be asked about the very same position, however fast they go on.
 */
export type Marker = { readonly id: string } & (
  | { readonly ask: "compare" }
  /** `node` takes these keys from the others, as they are at this marker. */
  | { readonly ask: "repair"; readonly node: NodeId; readonly keys: readonly string[] }
  /** `node` takes the whole state, as it is at this marker, from `source`. */
  | { readonly ask: "sync"; readonly node: NodeId; readonly source: NodeId }
);

/** The sums that were kept while applying; and, at a node that can, a sample of the content. */
export interface DigestQuery {
  readonly kind: "digest";
  readonly sample: (ContentQuery & { readonly kind: "sample" }) | null;
}

export type VerifyQuery =
  | ContentQuery
  | DigestQuery
  /** What has become of the repair, or the replacement, that the marker asked of this node? */
  | { readonly kind: "progress" }
  /** Is the copy of the state at the marker still on its way? */
  | { readonly kind: "copy" }
  /** The round is over; `proven`: this node's content is the majority's. */
  | { readonly kind: "end"; readonly proven: boolean };

export interface VerifyAnswers extends ContentAnswers {
  readonly digest: {
    readonly shards: readonly number[];
    readonly sample: ContentAnswers["sample"] | null;
  };
  readonly progress: "running" | "done" | "failed";
  readonly copy: boolean;
  readonly end: null;
}

/** A question about the content at the marker at `index`. */
export interface VerifyRequest {
  readonly index: LogIndex;
  readonly query: VerifyQuery;
}

/** `unknown` is no answer, and never counts as equal (FC-124). */
export type VerifyReply<Kind extends keyof VerifyAnswers = keyof VerifyAnswers> =
  | {
      readonly status: "ready";
      /** What the node has applied by now. */
      readonly applied: LogIndex;
      /** It refuses strong reads, because it once differed. */
      readonly quarantined: boolean;
      readonly result: VerifyAnswers[Kind];
    }
  | { readonly status: "unknown"; readonly reason: string };

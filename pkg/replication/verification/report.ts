import type { LogIndex, NodeId } from "../../base/index.js";
import type { Mismatch } from "./core/judge.js";

/** A thing that differs, and what the commands did that wrote it last, on either side. */
export interface NamedMismatch extends Mismatch {
  readonly command: string | null;
  readonly rightCommand: string | null;
}

/** What a round found out about one replica. */
export interface NodeReport {
  readonly id: NodeId;
  /** `unknown`: it did not answer, and nothing is said about it (FC-124). */
  readonly status: "equal" | "different" | "unknown";
  readonly reason: string | null;
  /** Shards whose content is not the majority's. */
  readonly shards: readonly number[];
  /**
   * `repair`: the things named in `mismatches` are taken from the majority. `recount`: only its own
   * sums are wrong and made anew. `sync`: its whole state is replaced. `hand_over`: it leads, and
   * gives that up first. `wait`: another replica has its turn first. `report`: nobody can say who is
   * right.
   */
  readonly action: "none" | "repair" | "recount" | "sync" | "hand_over" | "wait" | "report";
  /** The first of the things that differ, by key. */
  readonly mismatches: readonly NamedMismatch[];
  /** There are more than the ones named. */
  readonly more: boolean;
}

/** One comparison of all replicas, at one position. */
export interface RoundReport {
  /** `unknown`: no difference was seen, but not everybody answered. */
  readonly result: "equal" | "different" | "unknown";
  readonly depth: "sample" | "full";
  readonly index: LogIndex;
  /** Shards in which replicas differ and no content has a majority. */
  readonly undecided: readonly number[];
  readonly nodes: readonly NodeReport[];
  /** The file with all that was found; null when there was nothing to write down. */
  readonly dump: string | null;
}

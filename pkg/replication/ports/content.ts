import type { Awaitable, JsonValue, Position } from "../../base/index.js";

/**
 * The content of a state machine, so that replicas can be compared down to the single thing and one
 * that differs can be put right. Optional: see `StateMachine.content`. A thing's key is its kind,
 * a colon and its id; its shard is `crc32(key) % 1024`, its bucket `(crc32(key) >>> 10) % 1024`.
 */
export interface ComparableContent {
  /**
   * Fixes what is applied now for `inspect`, instead of what was fixed before. Only between two
   * batches; what is applied later does not show.
   */
  fix(): Awaitable<Position>;
  /**
   * Reads what was fixed, in slices that hold nothing up. Hashes are made from the stored bytes;
   * no stored hash or sum is trusted.
   * @throws Error when nothing is fixed (any more) or it cannot be read
   */
  inspect<Kind extends keyof ContentAnswers>(
    query: ContentQuery & { readonly kind: Kind },
  ): Promise<ContentAnswers[Kind]>;
  /** Lets go of what was fixed. Idempotent. */
  release(): Awaitable<void>;
  /**
   * Puts things as they are on other replicas, and takes sums, counts and stored hashes anew from
   * the content. All of it in one step, durable on return; the position stays. Only between two
   * batches.
   */
  repair(records: readonly ContentRecord[]): Awaitable<Position>;
}

export type ContentQuery =
  | { readonly kind: "sums" }
  /** The `keysMax` keys of each shard that come first in an order which `seed` decides. */
  | {
      readonly kind: "sample";
      readonly shards: readonly number[];
      readonly keysMax: number;
      readonly seed: number;
    }
  | { readonly kind: "buckets"; readonly shards: readonly number[] }
  /** `places`: shard and bucket in one, `bucket * 1024 + shard`. */
  | { readonly kind: "keys"; readonly places: readonly number[]; readonly keysMax: number }
  | { readonly kind: "records"; readonly keys: readonly string[] }
  | { readonly kind: "commands"; readonly indexes: readonly number[] };

export interface ContentAnswers {
  readonly sums: ContentSums;
  readonly sample: readonly ShardSample[];
  /** For each shard that was asked for, in that order, the sum of each of its 1,024 buckets. */
  readonly buckets: readonly (readonly number[])[];
  /** Ascending; null: there are more than `keysMax`. */
  readonly keys: readonly ContentKey[] | null;
  readonly records: readonly ContentRecord[];
  /** What the command at each index did, such as `node_put,edge_put`; null: not kept any more. */
  readonly commands: readonly (string | null)[];
}

/** Sums modulo 2^48 and numbers of things, by shard. */
export interface ContentSums {
  readonly sums: readonly number[];
  readonly counts: readonly number[];
}

/** The three lists belong together, item by item, in the order that the seed decides. */
export interface ShardSample {
  readonly shard: number;
  /** Things of the shard, those that are not in the sample included. */
  readonly count: number;
  /** 48 bits that stand for the key. */
  readonly keys: readonly number[];
  /** CRC32 of the first 8 bytes of the id. */
  readonly prefixHashes: readonly number[];
  /** 48 bits of the hash of the whole content. */
  readonly checksums: readonly number[];
}

export interface ContentKey {
  readonly key: string;
  readonly hash: number;
  /** Index of the last write to it. */
  readonly version: number;
}

/** One thing as it is stored; `value` null: it is not there. */
export interface ContentRecord {
  readonly key: string;
  readonly value: JsonValue;
}

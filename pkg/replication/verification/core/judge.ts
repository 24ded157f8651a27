import type { NodeId } from "../../../base/index.js";
import type { ContentKey, ShardSample } from "../../ports/index.js";
import { VERIFY_LIMITS } from "./limits.js";

/** The shards of a sampled round: each shard once in `sampleRounds` rounds in a row. */
export function sampleShards(round: number): readonly number[] {
  const { shards, sampleRounds } = VERIFY_LIMITS;
  const place = round % sampleRounds;
  const from = Math.floor((place * shards) / sampleRounds);
  const to = Math.floor(((place + 1) * shards) / sampleRounds);
  return Array.from({ length: to - from }, (_, offset) => from + offset);
}

/** Everything of two samples that differs; keys beyond what both have looked at do not count. */
export function samplesDiffer(
  one: readonly ShardSample[],
  other: readonly ShardSample[],
): readonly number[] {
  return one.flatMap((sample, at) => {
    const twin = other[at];
    if (twin?.shard !== sample.shard || twin.count !== sample.count) return [sample.shard];
    const same =
      sameList(sample.keys, twin.keys) &&
      sameList(sample.prefixHashes, twin.prefixHashes) &&
      sameList(sample.checksums, twin.checksums);
    return same ? [] : [sample.shard];
  });
}

function sameList(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at]);
}

/** Places at which two lists of sums differ. */
export function differences(one: readonly number[], other: readonly number[]): readonly number[] {
  return one.flatMap((sum, at) => (sum === other[at] ? [] : [at]));
}

/** What one replica says at the marker. */
export interface NodeSums {
  readonly node: NodeId;
  readonly isVoter: boolean;
  /** As kept while applying. */
  readonly kept: readonly number[];
  /** From the stored bytes. */
  readonly stored: readonly number[];
}

export interface Verdict {
  /** Replicas whose content is not the majority's, with the shards. */
  readonly differing: ReadonlyMap<NodeId, readonly number[]>;
  /** Replicas with the right content, in shards for which they kept a wrong sum. */
  readonly miscounted: ReadonlyMap<NodeId, readonly number[]>;
  /** Shards in which replicas differ and none of the contents has a majority. */
  readonly undecided: readonly number[];
}

/**
 * VF-4: a content is right when a majority of all voters has it; silent voters count as if they had
 * another. Whoever differs from it is wrong, voter or not.
 */
export function judge(votersCount: number, nodes: readonly NodeSums[]): Verdict {
  const needed = Math.floor(votersCount / 2) + 1;
  const differing = new Map<NodeId, number[]>();
  const miscounted = new Map<NodeId, number[]>();
  const undecided: number[] = [];
  for (let shard = 0; shard < VERIFY_LIMITS.shards; shard += 1) {
    const right = majorityOf(
      nodes.filter(({ isVoter }) => isVoter).map(({ stored }) => stored[shard] as number),
      needed,
    );
    if (right === undefined) {
      const sums = nodes.flatMap(({ stored, kept }) => [stored[shard], kept[shard]]);
      if (new Set(sums).size > 1) undecided.push(shard);
      continue;
    }
    for (const { node, stored, kept } of nodes) {
      if (stored[shard] !== right) push(differing, node, shard);
      else if (kept[shard] !== right) push(miscounted, node, shard);
    }
  }
  return { differing, miscounted, undecided };
}

/** @returns the value that at least `needed` of them have */
export function majorityOf<T>(values: readonly T[], needed: number): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) {
    const count = (counts.get(value) ?? 0) + 1;
    if (count >= needed) return value;
    counts.set(value, count);
  }
  return undefined;
}

function push(map: Map<NodeId, number[]>, node: NodeId, shard: number): void {
  const known = map.get(node);
  if (known === undefined) map.set(node, [shard]);
  else known.push(shard);
}

/** How one thing of a replica differs. */
export interface Mismatch {
  readonly key: string;
  readonly type: "CHECKSUM_MISMATCH" | "KEY_NOT_FOUND" | "EXTRA_KEY";
  /** Index of the last write to it, as the replica has it; null: it has none. */
  readonly version: number | null;
  readonly rightVersion: number | null;
}

/** What makes `here` differ from `right`, by ascending key. */
export function diffKeys(here: readonly ContentKey[], right: readonly ContentKey[]): Mismatch[] {
  const there = new Map(right.map((one) => [one.key, one]));
  const found: Mismatch[] = [];
  for (const { key, hash, version } of here) {
    const twin = there.get(key);
    there.delete(key);
    if (twin === undefined) {
      found.push({ key, type: "EXTRA_KEY", version, rightVersion: null });
    } else if (twin.hash !== hash) {
      found.push({ key, type: "CHECKSUM_MISMATCH", version, rightVersion: twin.version });
    }
  }
  for (const { key, version } of there.values()) {
    found.push({ key, type: "KEY_NOT_FOUND", version: null, rightVersion: version });
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** VF-6. `count` null: more than were looked at. */
export function decide(differs: {
  readonly count: number | null;
  readonly gapEntries: number;
}): "repair" | "sync" {
  const { repairKeysMax, gapEntriesMax } = VERIFY_LIMITS;
  const few = differs.count !== null && differs.count <= repairKeysMax;
  return few && differs.gapEntries <= gapEntriesMax ? "repair" : "sync";
}

import { crc32 } from "node:zlib";
import { type JsonValue, unreachable } from "../../base/index.js";
import type {
  ContentAnswers,
  ContentKey,
  ContentQuery,
  ContentSums,
  ShardSample,
} from "../../replication/ports/index.js";
import { compareUtf8, contentHash } from "../canonical.js";
import { STORAGE_LIMITS } from "../limits.js";
import type { AppliedRow } from "../state-engine.js";
import { bucketOfPlace, placeOf, shardOfPlace } from "./place.js";

/** What the things of one kind of state have in common. */
export interface ContentShape<Thing> {
  /** Its kind, a colon and its id. */
  keyOf(thing: Thing): string;
  /** From the stored bytes: a hash that is stored with it is not looked at. */
  hashOf(thing: Thing): number;
  /** Index of the last write to it. */
  versionOf(thing: Thing): number;
  /** As JSON for another replica. */
  toValue(thing: Thing): JsonValue;
}

/** A store to be looked through, in slices: nothing is held open between two of them. */
export interface ContentSource<Thing> {
  readonly shape: ContentShape<Thing>;
  /** Everything, each once, in any order. */
  things(): Iterable<readonly Thing[]>;
  /** The keys of everything, each once, in any order. */
  keys(): Iterable<readonly string[]>;
  thing(key: string): Thing | undefined;
  appliedRow(index: number): AppliedRow | undefined;
}

/** Gives others their turn; throws when what is looked at is gone. */
export type Pause = () => Promise<void>;

const SHARDS = STORAGE_LIMITS.digestShards;
const MODULUS = 2 ** 48;
/** Things looked up one by one in one turn: each may be as large as a thing can be. */
const LOOK_UPS_MAX = 16;

/** Answers a question about the content. */
export async function inspectContent<Thing>(
  source: ContentSource<Thing>,
  query: ContentQuery,
  pause: Pause,
): Promise<ContentAnswers[keyof ContentAnswers]> {
  switch (query.kind) {
    case "sums":
      return sums(source, pause);
    case "sample":
      return sample(source, query, pause);
    case "buckets":
      return buckets(source, query.shards, pause);
    case "keys":
      return keys(source, query, pause);
    case "records":
      return query.keys.map((key) => {
        const thing = source.thing(key);
        return { key, value: thing === undefined ? null : source.shape.toValue(thing) };
      });
    case "commands":
      return query.indexes.map((index) => commandAt(source, index));
    default:
      return unreachable(query);
  }
}

/** Sums and numbers of things, while they are gone through. */
export class ContentTotals {
  readonly #sums = new Array<number>(SHARDS).fill(0);
  readonly #counts = new Array<number>(SHARDS).fill(0);

  add(key: string, hash: number): void {
    const shard = shardOfPlace(placeOf(key));
    this.#sums[shard] = ((this.#sums[shard] as number) + hash) % MODULUS;
    this.#counts[shard] = (this.#counts[shard] as number) + 1;
  }

  result(): ContentSums {
    return { sums: this.#sums, counts: this.#counts };
  }
}

async function sums<Thing>(source: ContentSource<Thing>, pause: Pause): Promise<ContentSums> {
  const totals = new ContentTotals();
  const { keyOf, hashOf } = source.shape;
  for (const slice of source.things()) {
    for (const thing of slice) totals.add(keyOf(thing), hashOf(thing));
    await pause();
  }
  return totals.result();
}

async function buckets<Thing>(
  source: ContentSource<Thing>,
  shards: readonly number[],
  pause: Pause,
) {
  const { keyOf, hashOf } = source.shape;
  const bySums = new Map(shards.map((shard) => [shard, new Array<number>(SHARDS).fill(0)]));
  for (const slice of source.things()) {
    for (const thing of slice) {
      const place = placeOf(keyOf(thing));
      const found = bySums.get(shardOfPlace(place));
      if (found === undefined) continue;
      const bucket = bucketOfPlace(place);
      found[bucket] = ((found[bucket] as number) + hashOf(thing)) % MODULUS;
    }
    await pause();
  }
  return shards.map((shard) => bySums.get(shard) as number[]);
}

async function keys<Thing>(
  source: ContentSource<Thing>,
  { places, keysMax }: ContentQuery & { readonly kind: "keys" },
  pause: Pause,
): Promise<readonly ContentKey[] | null> {
  const wanted = new Set(places);
  const { keyOf, hashOf, versionOf } = source.shape;
  const found: ContentKey[] = [];
  for (const slice of source.things()) {
    for (const thing of slice) {
      const key = keyOf(thing);
      if (!wanted.has(placeOf(key))) continue;
      found.push({ key, hash: hashOf(thing), version: versionOf(thing) });
    }
    if (found.length > keysMax) return null;
    await pause();
  }
  return found.sort((a, b) => compareUtf8(a.key, b.key));
}

interface Ranked {
  readonly rank: number;
  readonly key: string;
}

/** Spreads a seed over 32 bits, so that each gives another order. */
function spread(seed: number): number {
  return Math.imul(seed ^ (seed >>> 15), 0x9e3779b1) >>> 0;
}

async function sample<Thing>(
  source: ContentSource<Thing>,
  { shards, keysMax, seed }: ContentQuery & { readonly kind: "sample" },
  pause: Pause,
): Promise<readonly ShardSample[]> {
  const chosen = new Map(shards.map((shard) => [shard, { count: 0, first: [] as Ranked[] }]));
  const twist = spread(seed);
  for (const slice of source.keys()) {
    for (const key of slice) {
      const crc = crc32(key);
      const shard = chosen.get(crc % SHARDS);
      if (shard === undefined) continue;
      shard.count += 1;
      shard.first.push({ rank: (crc ^ twist) >>> 0, key });
      if (shard.first.length >= 2 * keysMax) shard.first = firstOf(shard.first, keysMax);
    }
    await pause();
  }
  const samples: ShardSample[] = [];
  let lookUps = 0;
  for (const [shard, { count, first }] of chosen) {
    const things: (Thing | undefined)[] = [];
    for (const { key } of firstOf(first, keysMax)) {
      things.push(source.thing(key));
      lookUps += 1;
      if (lookUps % LOOK_UPS_MAX === 0) await pause();
    }
    samples.push(toSample(source.shape, shard, count, things));
  }
  return samples;
}

function firstOf(ranked: readonly Ranked[], keysMax: number): Ranked[] {
  const inOrder = [...ranked].sort((a, b) => a.rank - b.rank || compareUtf8(a.key, b.key));
  return inOrder.slice(0, keysMax);
}

/** A key without its thing is damage too: it is left out, and so counts as missing. */
function toSample<Thing>(
  { keyOf, hashOf }: ContentShape<Thing>,
  shard: number,
  count: number,
  things: readonly (Thing | undefined)[],
) {
  const found = things.filter((thing): thing is Thing & {} => thing !== undefined);
  const keys = found.map(keyOf);
  return {
    shard,
    count,
    keys: keys.map(contentHash),
    prefixHashes: keys.map((key) => prefixHash(idOf(key))),
    checksums: found.map(hashOf),
  };
}

function idOf(key: string): string {
  return key.slice(key.indexOf(":") + 1);
}

const PREFIX_BYTES = 8;

/** CRC32 of the first 8 bytes of the id, bytes and not characters. */
export function prefixHash(id: string): number {
  return crc32(Buffer.from(id, "utf8").subarray(0, PREFIX_BYTES));
}

function commandAt(source: ContentSource<unknown>, index: number): string | null {
  const row = source.appliedRow(index);
  if (row === undefined || row.firstIndex > index || row.lastIndex < index) return null;
  const requests = JSON.parse(row.requests) as readonly JsonValue[];
  const at = requests.findIndex((value, place) => place % 3 === 0 && value === index) / 3;
  const effects = (JSON.parse(row.effects) as readonly { readonly kind: string }[][])[at];
  if (effects === undefined) return null;
  return [...new Set(effects.map(({ kind }) => kind))].join(",");
}

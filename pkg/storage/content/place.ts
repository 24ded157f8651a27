import { crc32 } from "node:zlib";
import { STORAGE_LIMITS } from "../limits.js";

/** Where a key belongs: its low ten bits are the shard, the next ten the bucket. */
export function placeOf(key: string): number {
  return crc32(key) % (STORAGE_LIMITS.digestShards * STORAGE_LIMITS.digestShards);
}

export function shardOfPlace(place: number): number {
  return place % STORAGE_LIMITS.digestShards;
}

export function bucketOfPlace(place: number): number {
  return Math.floor(place / STORAGE_LIMITS.digestShards);
}

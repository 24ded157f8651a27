import { canonicalText, contentHash } from "../canonical.js";
import type { Replica } from "./catalogue.js";

/** A copy as stored: on that mounting of its segment, and on no later one. */
export interface MountedReplica extends Replica {
  readonly mount: number;
}

/** An object as stored. `replicas` is canonical JSON text, `hash` its part of the digest. */
export interface ObjectRecord {
  readonly key: string;
  /** 1: put to its end. */
  readonly complete: 0 | 1;
  /** Index of its `put_start`. */
  readonly put: number;
  readonly startedMs: number;
  readonly replicas: string;
  readonly version: number;
  readonly hash: number;
}

export interface SegmentRecord {
  readonly segment: string;
  readonly address: string;
  readonly bytes: number;
  readonly used: number;
  /** Index of its `mount_segment`. */
  readonly mount: number;
  readonly version: number;
  readonly hash: number;
}

type Unhashed<R> = Omit<R, "hash">;

export function objectHash(o: Unhashed<ObjectRecord>): number {
  return contentHash(
    `o\0${o.key}\0${o.complete}\0${o.put}\0${o.startedMs}\0${o.replicas}\0${o.version}`,
  );
}

export function segmentHash(s: Unhashed<SegmentRecord>): number {
  return contentHash(
    `s\0${s.segment}\0${s.address}\0${s.bytes}\0${s.used}\0${s.mount}\0${s.version}`,
  );
}

export function objectRecord(object: Unhashed<ObjectRecord>): ObjectRecord {
  return { ...object, hash: objectHash(object) };
}

export function segmentRecord(segment: Unhashed<SegmentRecord>): SegmentRecord {
  return { ...segment, hash: segmentHash(segment) };
}

export function replicasText(replicas: readonly MountedReplica[]): string {
  return canonicalText(
    replicas.map(({ segment, offset, bytes, mount }) => ({ bytes, mount, offset, segment })),
  );
}

/** The index at which a segment of that name was mounted; undefined: it is not. */
export type MountOf = (segment: string) => number | undefined;

/** Copies that can be read. None: the object is hidden, whatever else is stored of it. */
export function liveReplicas(object: ObjectRecord, mountOf: MountOf): readonly Replica[] {
  return (JSON.parse(object.replicas) as MountedReplica[])
    .filter(({ segment, mount }) => mountOf(segment) === mount)
    .map(({ segment, offset, bytes }) => ({ segment, offset, bytes }));
}

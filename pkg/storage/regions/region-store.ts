import { contentHash } from "../canonical.js";
import type { GraphStore } from "../graph-rules.js";

/** A text as stored beside the graph, with the hash that the digest counts. */
export interface TextRecord {
  readonly id: string;
  readonly text: string;
  /** Index of the entry that wrote it. */
  readonly version: number;
  readonly hash: number;
}

/**
 * What a thing is looked up by beside its key. It follows from the things, and may stand where it
 * does not hold any more, but is never missing.
 */
export const Mark = {
  /** Something in it was taken away, and may be forgotten one day. */
  fading: 1,
  /** Versions in it are in conflict. */
  disputed: 2,
  /** An edge that is there, but cannot be seen because one of its ends is not. */
  hidden: 4,
} as const;

export interface ThingPlace {
  /** Sum of `Mark`s. */
  readonly marks: number;
  /** Of an edge: nodes that a version of it hangs on now, and did not before. */
  readonly newEnds: readonly string[];
  /** Nodes that none of its versions hangs on any more. */
  readonly oldEnds: readonly string[];
}

/** Changes of one region, without gaps, each as its text. */
export interface ChangeRun {
  readonly origin: string;
  readonly firstSeq: number;
  readonly texts: readonly string[];
}

/**
 * The graph as readers see it, with where each part of it came from, what the region knows, and
 * the changes that others may still need.
 */
export interface RegionStore extends GraphStore {
  thing(key: string): TextRecord | undefined;
  changeThing(
    before: TextRecord | undefined,
    after: TextRecord | undefined,
    place: ThingPlace,
  ): void;
  markThing(key: string, marks: number): void;
  /** Keys of edges of which any version hangs on the node, deleted and hidden ones too. */
  edgeKeysAt(nodeId: string): readonly string[];
  /** Keys that have any of the marks, in ascending order behind `after`. */
  markedKeys(marks: number, after: string, limit: number): readonly string[];
  notes(): Iterable<TextRecord>;
  changeNote(before: TextRecord | undefined, after: TextRecord | undefined): void;
  appendChanges(run: ChangeRun): void;
  /** Changes up to there may be dropped. */
  dropChanges(origin: string, upTo: number): void;
}

/** The key under which the digest and comparisons know a thing's origins. */
export function thingDigestKey(key: string): string {
  return `r:${key}`;
}

export function noteDigestKey(id: string): string {
  return `s:${id}`;
}

export function textHash(digestKey: string, text: string, version: number): number {
  return contentHash(`${digestKey}\0${text}\0${version}`);
}

export function thingRecord(key: string, text: string, version: number): TextRecord {
  return { id: key, text, version, hash: textHash(thingDigestKey(key), text, version) };
}

export function noteRecord(id: string, text: string, version: number): TextRecord {
  return { id, text, version, hash: textHash(noteDigestKey(id), text, version) };
}

import type { LogIndex, Position } from "../../base/index.js";
import type { StateMachine } from "../../replication/ports/index.js";
import type { Change, Page } from "../graph.js";

/** Where one copy of an object lies, as whoever gave out the space says. */
export interface Replica {
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
}

/** One write to the catalogue; a command holds exactly one, and so does its log entry. */
export type ObjectOperation =
  /** Takes the space and the key. The object cannot be seen before its `put_end`. */
  | { readonly op: "put_start"; readonly key: string; readonly replicas: readonly Replica[] }
  /** `put`: the version that `put_start` answered with, so that nobody ends another's put. */
  | { readonly op: "put_end"; readonly key: string; readonly put: number }
  | { readonly op: "put_revoke"; readonly key: string; readonly put: number }
  | { readonly op: "remove"; readonly key: string; readonly version?: number }
  | {
      readonly op: "mount_segment";
      readonly segment: string;
      readonly bytes: number;
      /** Where clients reach it; not looked into. */
      readonly address: string;
    }
  /** Copies on it are gone for good: mounted again, the segment is empty. */
  | { readonly op: "unmount_segment"; readonly segment: string }
  /** One pass of eviction; what was written since it was looked at stays. */
  | {
      readonly op: "evict";
      readonly objects: readonly { readonly key: string; readonly version: number }[];
    };

/** What a command did. `version` is the log index of the last write, 0 for what is gone. */
export type ObjectResult =
  | {
      readonly op: Exclude<ObjectOperation["op"], "evict">;
      readonly id: string;
      readonly outcome: "created" | "updated" | "deleted" | "unchanged";
      readonly version: number;
    }
  | {
      readonly op: "evict";
      readonly evicted: readonly string[];
      /** Not there any more, written again, or under way. */
      readonly kept: readonly string[];
    };

/** An object that can be read: put to its end, with a copy on a mounted segment. */
export interface StoredObject {
  readonly key: string;
  /** Only copies on mounted segments. */
  readonly replicas: readonly Replica[];
  readonly version: LogIndex;
}

/** A put that has begun and not ended. */
export interface PendingPut {
  readonly key: string;
  readonly put: LogIndex;
  /** When it began by the leader's clock, milliseconds since 1970. */
  readonly startedMs: number;
}

export interface Segment {
  readonly segment: string;
  readonly address: string;
  readonly bytes: number;
  /** Bytes of the copies on it, those of puts under way included. */
  readonly used: number;
  readonly version: LogIndex;
}

/** Something that eviction may take. */
export interface Evictable {
  readonly key: string;
  readonly version: number;
  /** Bytes on mounted segments that it would set free; 0: it can no longer be read. */
  readonly bytes: number;
}

/** One thing that a command changed, for the change stream. */
export type ObjectEffect =
  | { readonly kind: "put_started"; readonly key: string; readonly replicas: readonly Replica[] }
  | { readonly kind: "put_ended"; readonly key: string; readonly replicas: readonly Replica[] }
  | { readonly kind: "put_revoked" | "object_removed" | "object_evicted"; readonly key: string }
  | {
      readonly kind: "segment_mounted";
      readonly segment: string;
      readonly bytes: number;
      readonly address: string;
    }
  | { readonly kind: "segment_unmounted"; readonly segment: string };

export interface PageQuery {
  /** 1 to 10,000. */
  readonly limit: number;
  /** From `Page.cursor`: go on after it. */
  readonly cursor?: string | undefined;
}

export interface CatalogueCounts {
  readonly segments: number;
  /** Rows, those whose segments are gone included until eviction takes them. */
  readonly objects: number;
  readonly pending: number;
}

/**
 * Where objects lie, as a state machine: give it to `createReplicator`, write with
 * `encodeObjectOperation`, and read here. Every answer is one consistent state at or after
 * `atLeast`, which `Replicator.read` gives. Calls after `close` are `CLOSED`, reads beyond what is
 * applied `LAGGING`.
 */
export interface ObjectCatalogue extends StateMachine {
  readonly path: string;
  getObject(key: string, atLeast: Position): Promise<StoredObject | undefined>;
  /** Ascending by the UTF-8 bytes of the keys. */
  findObjects(
    query: PageQuery & { readonly prefix?: string | undefined },
    atLeast: Position,
  ): Promise<Page<StoredObject>>;
  /** Ascending by key: for whoever revokes puts that nobody will end. */
  pendingPuts(query: PageQuery, atLeast: Position): Promise<Page<PendingPut>>;
  /** Ascending by name. */
  segments(atLeast: Position): Promise<readonly Segment[]>;
  /** What eviction may take, what was put first first. */
  evictable(query: PageQuery, atLeast: Position): Promise<Page<Evictable>>;
  counts(atLeast: Position): Promise<CatalogueCounts>;
  /**
   * Changes with an index above `after`, oldest first, at most `limit`.
   * @throws ReplicationError `COMPACTED` when changes after it are no longer kept
   */
  changes(after: LogIndex, limit: number): Promise<readonly Change<ObjectEffect>[]>;
}

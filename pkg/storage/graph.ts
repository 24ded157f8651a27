import type { JsonObject, JsonValue, LogIndex, Position } from "../base/index.js";

/** A scalar, a list or a map of such; map keys that begin with `$` are reserved. */
export type PropertyValue = JsonValue;
export type Properties = JsonObject;

/** `version` is the log index of the last write to it: it only grows, also over delete and create. */
export interface GraphNode {
  readonly id: string;
  readonly labels: readonly string[];
  readonly properties: Properties;
  readonly version: LogIndex;
}

export interface GraphEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly properties: Properties;
  readonly version: LogIndex;
}

/** Checked before anything of the batch takes effect; a miss fails it with `VERSION_MISMATCH`. */
export type Precondition = { readonly version: number } | { readonly exists: boolean };

/** One step of a write. A command holds one or more; they take effect all together or not at all. */
export type Operation =
  | PutNode
  | {
      readonly op: "patch_node";
      readonly id: string;
      readonly properties?: Properties;
      readonly labels?: readonly string[];
      readonly if?: Precondition;
    }
  | {
      readonly op: "delete_node";
      readonly id: string;
      readonly detach?: boolean;
      readonly if?: Precondition;
    }
  | PutEdge
  | {
      readonly op: "patch_edge";
      readonly id: string;
      readonly properties: Properties;
      readonly if?: Precondition;
    }
  | { readonly op: "delete_edge"; readonly id: string; readonly if?: Precondition }
  | Increment<"increment_node">
  | Increment<"increment_edge">
  | { readonly op: "create_index"; readonly label: string; readonly property: string }
  | { readonly op: "drop_index"; readonly label: string; readonly property: string };

export interface PutNode {
  readonly op: "put_node";
  readonly id: string;
  readonly labels?: readonly string[];
  readonly properties?: Properties;
  readonly if?: Precondition;
}

export interface PutEdge {
  readonly op: "put_edge";
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly properties?: Properties;
  readonly if?: Precondition;
}

/** Adds a whole number to a property, which is a whole number or missing, which counts as 0. */
interface Increment<Op extends string> {
  readonly op: Op;
  readonly id: string;
  readonly property: string;
  readonly by: number;
  readonly if?: Precondition;
}

/** What one step did, in the remembered result. `version` 0 for deletions. */
export interface OperationResult {
  readonly op: Operation["op"];
  readonly id: string;
  readonly outcome: "created" | "updated" | "deleted" | "unchanged";
  readonly version: number;
  /** What an increment has come to. */
  readonly value?: number;
}

/** One thing that a command changed, for the change stream; properties as they are afterwards. */
export type Effect =
  | { readonly kind: "node_put"; readonly node: GraphNode; readonly created: boolean }
  | { readonly kind: "node_deleted"; readonly id: string }
  | { readonly kind: "edge_put"; readonly edge: GraphEdge; readonly created: boolean }
  | { readonly kind: "edge_deleted"; readonly id: string }
  | {
      readonly kind: "index_created" | "index_dropped";
      readonly label: string;
      readonly property: string;
    };

export interface Change<E = Effect> {
  readonly index: LogIndex;
  readonly requestId: string;
  readonly effects: readonly E[];
}

export interface NodeQuery {
  readonly label?: string | undefined;
  /** All must be equal; 1 and 1.0 are the same number, 1 and "1" and true are not. */
  readonly where?:
    | readonly { readonly property: string; readonly value: PropertyValue }[]
    | undefined;
  /** 1 to 10,000. */
  readonly limit: number;
  /** From `Page.cursor`: go on after it. */
  readonly cursor?: string | undefined;
}

/** In ascending order of id (by UTF-8 bytes). */
export interface Page<T> {
  readonly items: readonly T[];
  /** Missing on the last page. */
  readonly cursor?: string | undefined;
}

export interface EdgeQuery {
  readonly nodeId: string;
  readonly direction: "out" | "in" | "both";
  readonly type?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface GraphCounts {
  readonly nodes: number;
  readonly edges: number;
}

/**
 * Reads of the graph. Every answer is one consistent state at or after `atLeast`: a reader that is
 * behind it waits for an open transaction to be committed, never for replication (that is what
 * `Replicator.read` is for).
 */
export interface GraphReader {
  getNode(id: string, atLeast: Position): Promise<GraphNode | undefined>;
  getEdge(id: string, atLeast: Position): Promise<GraphEdge | undefined>;
  findNodes(query: NodeQuery, atLeast: Position): Promise<Page<GraphNode>>;
  findEdges(query: EdgeQuery, atLeast: Position): Promise<Page<GraphEdge>>;
  counts(atLeast: Position): Promise<GraphCounts>;
  /** Declared indexes, by label, then property. */
  indexes(
    atLeast: Position,
  ): Promise<readonly { readonly label: string; readonly property: string }[]>;
  /**
   * Changes with an index above `after`, oldest first, at most `limit`.
   * @throws ReplicationError `COMPACTED` when changes after it are no longer kept
   */
  changes(after: LogIndex, limit: number): Promise<readonly Change[]>;
}

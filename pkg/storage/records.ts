import type { LogIndex } from "../base/index.js";
import { contentHash } from "./canonical.js";
import type { GraphEdge, GraphNode } from "./graph.js";

/** A node as stored: `labels` and `properties` are canonical JSON text, `hash` its digest part. */
export interface NodeRecord {
  readonly id: string;
  readonly labels: string;
  readonly properties: string;
  readonly version: number;
  readonly hash: number;
}

export interface EdgeRecord {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly properties: string;
  readonly version: number;
  readonly hash: number;
}

export interface IndexRecord {
  readonly label: string;
  readonly property: string;
  readonly version: number;
  readonly hash: number;
}

type Unhashed<R> = Omit<R, "hash">;

export function nodeHash(node: Unhashed<NodeRecord>): number {
  return contentHash(`n\0${node.id}\0${node.labels}\0${node.properties}\0${node.version}`);
}

export function edgeHash(edge: Unhashed<EdgeRecord>): number {
  return contentHash(
    `e\0${edge.id}\0${edge.from}\0${edge.to}\0${edge.type}\0${edge.properties}\0${edge.version}`,
  );
}

export function indexHash(index: Unhashed<IndexRecord>): number {
  return contentHash(`i\0${index.label}\0${index.property}\0${index.version}`);
}

export function nodeRecord(id: string, labels: string, properties: string, version: number) {
  const hash = contentHash(`n\0${id}\0${labels}\0${properties}\0${version}`);
  return { id, labels, properties, version, hash } satisfies NodeRecord;
}

export function edgeRecord(edge: Unhashed<EdgeRecord>): EdgeRecord {
  return { ...edge, hash: edgeHash(edge) };
}

export function indexRecord(index: Unhashed<IndexRecord>): IndexRecord {
  return { ...index, hash: indexHash(index) };
}

export function indexId(index: { readonly label: string; readonly property: string }): string {
  return `${index.label}\0${index.property}`;
}

export function toGraphNode(record: Unhashed<NodeRecord>): GraphNode {
  return {
    id: record.id,
    labels: JSON.parse(record.labels),
    properties: JSON.parse(record.properties),
    version: record.version as LogIndex,
  };
}

export function toGraphEdge(record: Unhashed<EdgeRecord>): GraphEdge {
  return {
    id: record.id,
    from: record.from,
    to: record.to,
    type: record.type,
    properties: JSON.parse(record.properties),
    version: record.version as LogIndex,
  };
}

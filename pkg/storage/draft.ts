import { edgeKey, nodeKey } from "./keys-of-command.js";
import { type EdgeRecord, type IndexRecord, indexId, type NodeRecord } from "./records.js";

/** The few reads that applying needs. */
export interface GraphView {
  node(id: string): NodeRecord | undefined;
  edge(id: string): EdgeRecord | undefined;
  /** Edges that begin or end at the node, each once, at most `limit`, by ascending id. */
  edgesOf(nodeId: string, limit: number): readonly EdgeRecord[];
  index(label: string, property: string): IndexRecord | undefined;
}

/** How one thing was before the command and is after it; undefined: it is not there. */
export interface Change<R> {
  readonly before: R | undefined;
  after: R | undefined;
}

/**
 * What one command has changed so far, in front of the state it began with. Dropping it leaves
 * nothing behind, so a failed command needs no rollback.
 */
export class Draft implements GraphView {
  readonly #base: GraphView;
  readonly nodes = new Map<string, Change<NodeRecord>>();
  readonly edges = new Map<string, Change<EdgeRecord>>();
  readonly indexes = new Map<string, Change<IndexRecord>>();
  /** What was added to whole numbers, by the thing's key and by property. */
  readonly increments = new Map<string, Map<string, number>>();
  /** Edges of this draft by the nodes they touch or touched. */
  readonly #edgesByNode = new Map<string, Set<string>>();

  constructor(base: GraphView) {
    this.#base = base;
  }

  /** What it stands in front of; what it has looked up already is not read again. */
  get before(): Pick<GraphView, "node" | "edge"> {
    return {
      node: (id) => (this.nodes.has(id) ? this.nodes.get(id)?.before : this.#base.node(id)),
      edge: (id) => (this.edges.has(id) ? this.edges.get(id)?.before : this.#base.edge(id)),
    };
  }

  node(id: string): NodeRecord | undefined {
    const change = this.nodes.get(id);
    return change === undefined ? this.#base.node(id) : change.after;
  }

  edge(id: string): EdgeRecord | undefined {
    const change = this.edges.get(id);
    return change === undefined ? this.#base.edge(id) : change.after;
  }

  index(label: string, property: string): IndexRecord | undefined {
    const change = this.indexes.get(indexId({ label, property }));
    return change === undefined ? this.#base.index(label, property) : change.after;
  }

  edgesOf(nodeId: string, limit: number): readonly EdgeRecord[] {
    const drafted = this.#edgesByNode.get(nodeId);
    const hidden = drafted?.size ?? 0;
    const found = this.#base
      .edgesOf(nodeId, limit + hidden)
      .filter((edge) => !this.edges.has(edge.id));
    for (const id of drafted ?? []) {
      const edge = this.edges.get(id)?.after;
      if (edge !== undefined && (edge.from === nodeId || edge.to === nodeId)) found.push(edge);
    }
    return found.slice(0, limit);
  }

  /** @param known - what `node(id)` answered just before */
  setNode(id: string, known: NodeRecord | undefined, after: NodeRecord | undefined): void {
    set(this.nodes, id, known, after);
    if (after === undefined) this.increments.delete(nodeKey(id));
  }

  setEdge(id: string, known: EdgeRecord | undefined, after: EdgeRecord | undefined): void {
    set(this.edges, id, known, after);
    if (after === undefined) this.increments.delete(edgeKey(id));
    for (const edge of [known, after]) {
      if (edge === undefined) continue;
      this.#touch(edge.from, id);
      this.#touch(edge.to, id);
    }
  }

  addIncrement(key: string, property: string, by: number): void {
    const sums = this.increments.get(key) ?? new Map<string, number>();
    this.increments.set(key, sums.set(property, (sums.get(property) ?? 0) + by));
  }

  setIndex(known: IndexRecord | undefined, after: IndexRecord | undefined): void {
    const index = after ?? known;
    if (index !== undefined) set(this.indexes, indexId(index), known, after);
  }

  #touch(nodeId: string, edgeId: string): void {
    const ids = this.#edgesByNode.get(nodeId);
    if (ids === undefined) this.#edgesByNode.set(nodeId, new Set([edgeId]));
    else ids.add(edgeId);
  }
}

function set<R>(
  changes: Map<string, Change<R>>,
  id: string,
  known: R | undefined,
  after: R | undefined,
): void {
  const change = changes.get(id);
  if (change === undefined) changes.set(id, { before: known, after });
  else change.after = after;
}

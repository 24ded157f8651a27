import { compareUtf8 } from "../canonical.js";
import type { GraphStore } from "../graph-rules.js";
import { type EdgeRecord, type IndexRecord, indexId, type NodeRecord } from "../records.js";
import type { AppliedRow, AppliedRows } from "../state-engine.js";

/** Everything in maps; what is not deterministic about their order is sorted on the way out. */
export class MemoryStore implements GraphStore, AppliedRows {
  readonly nodes = new Map<string, NodeRecord>();
  readonly edges = new Map<string, EdgeRecord>();
  readonly indexes = new Map<string, IndexRecord>();
  readonly #edgesByNode = new Map<string, Set<string>>();
  rows: AppliedRow[] = [];

  node(id: string): NodeRecord | undefined {
    return this.nodes.get(id);
  }

  edge(id: string): EdgeRecord | undefined {
    return this.edges.get(id);
  }

  index(label: string, property: string): IndexRecord | undefined {
    return this.indexes.get(indexId({ label, property }));
  }

  edgesOf(nodeId: string, limit: number): readonly EdgeRecord[] {
    const ids = [...(this.#edgesByNode.get(nodeId) ?? [])].sort(compareUtf8).slice(0, limit);
    return ids.map((id) => this.edges.get(id) as EdgeRecord);
  }

  changeNode(id: string, _before: NodeRecord | undefined, after: NodeRecord | undefined): void {
    if (after === undefined) this.nodes.delete(id);
    else this.nodes.set(id, after);
  }

  changeEdge(id: string, before: EdgeRecord | undefined, after: EdgeRecord | undefined): void {
    for (const end of before === undefined ? [] : [before.from, before.to]) {
      this.#edgesByNode.get(end)?.delete(id);
    }
    if (after === undefined) {
      this.edges.delete(id);
      return;
    }
    this.edges.set(id, after);
    for (const end of [after.from, after.to]) {
      const ids = this.#edgesByNode.get(end);
      if (ids === undefined) this.#edgesByNode.set(end, new Set([id]));
      else ids.add(id);
    }
  }

  changeIndex(before: IndexRecord | undefined, after: IndexRecord | undefined): void {
    const index = after ?? before;
    if (index === undefined) return;
    if (after === undefined) this.indexes.delete(indexId(index));
    else this.indexes.set(indexId(index), after);
  }

  appendApplied(row: AppliedRow): void {
    this.rows.push(row);
  }

  appliedRow(index: number): AppliedRow | undefined {
    return this.rows.find((row) => row.firstIndex <= index && index <= row.lastIndex);
  }

  dropApplied(upTo: number): void {
    const first = this.rows[0];
    if (first === undefined || first.lastIndex > upTo) return;
    this.rows = this.rows.filter((row) => row.lastIndex > upTo);
  }
}

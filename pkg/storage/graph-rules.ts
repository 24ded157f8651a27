import type { JsonValue } from "../base/index.js";
import { applyOperations } from "./apply-operations.js";
import { type DecodedCommand, readCommand } from "./commands.js";
import type { DigestSums } from "./digest-sums.js";
import { Draft, type GraphView } from "./draft.js";
import { effectsText } from "./effects.js";
import type { Envelope } from "./envelope.js";
import type { EdgeRecord, IndexRecord, NodeRecord } from "./records.js";
import { type Counts, type Prepared, refusedCommand, type StateRules } from "./state-engine.js";

/** Where the graph is kept. `change…` is called once for each thing a command changed. */
export interface GraphStore extends GraphView {
  changeNode(id: string, before: NodeRecord | undefined, after: NodeRecord | undefined): void;
  changeEdge(id: string, before: EdgeRecord | undefined, after: EdgeRecord | undefined): void;
  changeIndex(before: IndexRecord | undefined, after: IndexRecord | undefined): void;
}

/** The graph's rules, the same over every store. */
export class GraphRules implements StateRules {
  readonly #store: GraphStore;
  #nodes = 0;
  #edges = 0;

  constructor(store: GraphStore) {
    this.#store = store;
  }

  get counts(): { readonly nodes: number; readonly edges: number } {
    return { nodes: this.#nodes, edges: this.#edges };
  }

  set counts(counts: Counts) {
    this.#nodes = counts.nodes ?? 0;
    this.#edges = counts.edges ?? 0;
  }

  prepare(envelope: Envelope, index: number): Prepared {
    return this.prepareCommand(readCommand(envelope), index);
  }

  /** @param version - of what the command writes */
  prepareCommand(command: DecodedCommand, version: number): Prepared {
    if (command.refusal !== undefined) return refusedCommand(command.refusal);
    const draft = new Draft(this.#store);
    const applied = applyOperations(draft, command, version);
    if ("code" in applied) return refusedCommand(applied);
    return {
      outcome: { ok: true, value: applied as unknown as JsonValue },
      effects: effectsText(draft),
      commit: (digest) => this.commit(draft, digest),
    };
  }

  /** Changes the store, the counts and the digest as the draft says. */
  commit(draft: Draft, digest: DigestSums): void {
    const store = this.#store;
    for (const [id, { before, after }] of draft.edges) {
      if (before === after) continue;
      this.#edges += count(after) - count(before);
      digest.changeEdge(id, before, after);
      store.changeEdge(id, before, after);
    }
    for (const [id, { before, after }] of draft.nodes) {
      if (before === after) continue;
      this.#nodes += count(after) - count(before);
      digest.changeNode(id, before, after);
      store.changeNode(id, before, after);
    }
    for (const { before, after } of draft.indexes.values()) {
      if (before === after) continue;
      digest.changeIndex(before, after);
      store.changeIndex(before, after);
    }
  }
}

function count(record: unknown): number {
  return record === undefined ? 0 : 1;
}

import type { LogIndex, NodeId } from "../../base/index.js";

/**
 * Who has a copy of the state in place needs the entries after it. They are kept for a while: cut at
 * once, as everything older than the trailing entries is, they would make the next copy necessary,
 * and under load so on without end.
 */
export class CatchUp {
  readonly #ticks: number;
  readonly #nodes = new Map<NodeId, { readonly after: LogIndex; ticksLeft: number }>();

  /** @param ticks - how long they are kept, in calls of `tick` */
  constructor(ticks: number) {
    this.#ticks = ticks;
  }

  /** A copy is in place there that ends at `after`. */
  begin(node: NodeId, after: LogIndex): void {
    this.#nodes.set(node, { after, ticksLeft: this.#ticks });
  }

  tick(): void {
    for (const [node, held] of this.#nodes) {
      held.ticksLeft -= 1;
      if (held.ticksLeft <= 0) this.#nodes.delete(node);
    }
  }

  /** The indexes after which everything is to be kept. */
  needed(): readonly LogIndex[] {
    return [...this.#nodes.values()].map(({ after }) => after);
  }
}

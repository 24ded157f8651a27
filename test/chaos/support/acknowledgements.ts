import type { AcknowledgedWrite } from "./clients.js";

interface Reign {
  readonly nodes: Set<string>;
  firstAckMs: number;
  lastSentMs: number;
}

/** Acknowledged writes by the epoch they were logged in, and what each epoch tells of its primary. */
export class Acknowledgements {
  readonly #reigns = new Map<number, Reign>();
  readonly #lastMs = new Map<string, number>();
  #writes: AcknowledgedWrite[] = [];

  /** What was replayed was logged at another attempt, maybe by another node. */
  add(write: AcknowledgedWrite): void {
    this.#lastMs.set(write.node, write.atMs);
    if (write.replayed) return;
    this.#writes.push(write);
    const { term, node, sentMs, atMs } = write;
    const reign = this.#reigns.get(term);
    if (reign === undefined) {
      this.#reigns.set(term, { nodes: new Set([node]), firstAckMs: atMs, lastSentMs: sentMs });
      return;
    }
    reign.nodes.add(node);
    reign.lastSentMs = Math.max(reign.lastSentMs, sentMs);
  }

  /** Acknowledged in an epoch before this one, whose first entry took their place or an earlier one. */
  lostTo(epoch: number, firstIndex: number): readonly AcknowledgedWrite[] {
    return this.#writes.filter(({ term, index }) => term < epoch && index >= firstIndex);
  }

  get epochs(): number {
    return this.#reigns.size;
  }

  /** Nodes that acknowledged after this moment. */
  since(momentMs: number): readonly string[] {
    const spoke = [...this.#lastMs].filter(([, atMs]) => atMs > momentMs);
    return spoke.map(([node]) => node).sort();
  }

  /** Writes of epochs before this one are looked at no more. */
  settle(epoch: number): void {
    this.#writes = this.#writes.filter(({ term }) => term >= epoch);
  }

  /** Two nodes that acknowledged in one epoch, or one that did when a later epoch had begun. */
  problems(): readonly string[] {
    const found: string[] = [];
    let later: readonly [epoch: number, reign: Reign] | undefined;
    for (const [epoch, reign] of [...this.#reigns].sort(([a], [b]) => b - a)) {
      if (reign.nodes.size > 1) {
        found.push(`${[...reign.nodes].join(" and ")} acknowledged in epoch ${epoch}`);
      }
      if (later !== undefined && reign.lastSentMs > later[1].firstAckMs) {
        found.push(`epoch ${epoch} acknowledged what was sent after epoch ${later[0]} had begun`);
      }
      later = [epoch, reign];
    }
    return found;
  }
}

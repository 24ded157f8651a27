import type { AcknowledgedWrite } from "./clients.js";

interface Reign {
  /** What was logged, by index. */
  readonly writes: Map<number, string>;
  firstAckMs: number;
  lastSentMs: number;
}

/** Acknowledged writes by the epoch they were logged in, and what each epoch tells of its primary. */
export class Acknowledgements {
  readonly #reigns = new Map<number, Reign>();
  readonly #lastMs = new Map<string, number>();
  #writes: AcknowledgedWrite[] = [];
  readonly #doubled: string[] = [];

  /** What was replayed was logged at another attempt, maybe by another node. */
  add(write: AcknowledgedWrite): void {
    this.#lastMs.set(write.node, write.atMs);
    if (write.replayed) return;
    this.#writes.push(write);
    const { term, index, requestId, sentMs, atMs } = write;
    const reign = this.#reigns.get(term);
    if (reign === undefined) {
      const writes = new Map([[index, requestId]]);
      this.#reigns.set(term, { writes, firstAckMs: atMs, lastSentMs: sentMs });
      return;
    }
    const before = reign.writes.get(index) ?? requestId;
    if (before !== requestId) this.#doubled.push(`${before} and ${requestId} in epoch ${term}`);
    reign.writes.set(index, requestId);
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

  /**
   * Two writes at one place of one epoch, which two nodes must have logged, or one that an epoch
   * acknowledged when a later one had begun.
   */
  problems(): readonly string[] {
    const found = this.#doubled.map((writes) => `at one place: ${writes}`);
    let later: readonly [epoch: number, reign: Reign] | undefined;
    for (const [epoch, reign] of [...this.#reigns].sort(([a], [b]) => b - a)) {
      if (later !== undefined && reign.lastSentMs > later[1].firstAckMs) {
        found.push(`epoch ${epoch} acknowledged what was sent after epoch ${later[0]} had begun`);
      }
      later = [epoch, reign];
    }
    return found;
  }
}

import type { LogIndex } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import type { RegionFacts, RegionLog } from "../ports/index.js";

export interface FactsPumpParts {
  readonly log: Pick<RegionLog, "facts">;
  readonly clock: Clock;
  applied(): LogIndex;
  /** Between two questions, in milliseconds; 0 while somebody waits for the answer. */
  pauseMs(): number;
  /** What the state says, at least as of that entry. */
  seen(facts: RegionFacts | undefined, index: LogIndex): void;
  failed(error: unknown): void;
}

/** MR-45: asks the state machine for its facts after something was applied, once at a time. */
export class FactsPump {
  readonly #parts: FactsPumpParts;
  #underWay = false;
  /** What was applied when it was asked last; null: it must be asked again. */
  #askedAt: LogIndex | null = null;
  #askedMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(parts: FactsPumpParts) {
    this.#parts = parts;
  }

  /** Called after every step. */
  look(): void {
    const { applied, clock, pauseMs } = this.#parts;
    if (this.#underWay || this.#closed || applied() === this.#askedAt) return;
    if (clock.monotonicMs() - this.#askedMs < pauseMs()) return;
    void this.#ask(applied());
  }

  /** Asks even if nothing was applied. */
  again(): void {
    this.#askedAt = null;
  }

  close(): void {
    this.#closed = true;
  }

  async #ask(index: LogIndex): Promise<void> {
    this.#underWay = true;
    this.#askedAt = index;
    this.#askedMs = this.#parts.clock.monotonicMs();
    let facts: RegionFacts | undefined;
    try {
      facts = await this.#parts.log.facts();
    } catch (error) {
      this.#underWay = false;
      this.#askedAt = null;
      if (!this.#closed) this.#parts.failed(error);
      return;
    }
    this.#underWay = false;
    if (!this.#closed) this.#parts.seen(facts, index);
  }
}

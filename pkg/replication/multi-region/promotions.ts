import type { RegionId } from "../../base/index.js";
import type { Promotion, RegionFacts } from "../ports/index.js";
import type { RegionOperation } from "./operations.js";
import type { OperationOutcome } from "./region-proposals.js";

export interface PromotionsParts {
  facts(): RegionFacts | undefined;
  propose(operation: RegionOperation, done: (outcome: OperationOutcome) => void): void;
  /** Tells a region at once; rejects when it did not answer. */
  tell(region: RegionId): Promise<void>;
}

/**
 * MR-50: which region was promoted is part of every region's state. Each message says it; a leader
 * that knows of a newer one than it has told sees to it that every other region hears.
 */
export class Promotions {
  readonly #parts: PromotionsParts;
  readonly #told = new Map<RegionId, string>();
  readonly #telling = new Set<RegionId>();
  /** On its way into the log. */
  #written: string | undefined;

  constructor(parts: PromotionsParts) {
    this.#parts = parts;
  }

  /** What another region says of it. */
  heard(promotion: Promotion | undefined): void {
    const { facts, propose } = this.#parts;
    const name = nameOf(promotion);
    if (promotion === undefined || this.#written === name) return;
    if (!isNewer(promotion, facts()?.promotion)) return;
    this.#written = name;
    propose({ op: "promote", ...promotion }, () => {
      this.#written = undefined;
    });
  }

  /** This node begins to lead: whom its predecessor told it does not know. */
  begin(): void {
    this.#told.clear();
  }

  /** Called now and then by who leads. */
  tick(): void {
    const facts = this.#parts.facts();
    if (facts?.promotion === undefined) return;
    const name = nameOf(facts.promotion);
    for (const region of facts.others) {
      const isTold = this.#told.get(region) === name || this.#telling.has(region);
      if (!isTold && !facts.lost.has(region)) void this.#tell(region, name);
    }
  }

  async #tell(region: RegionId, name: string): Promise<void> {
    this.#telling.add(region);
    try {
      await this.#parts.tell(region);
      this.#told.set(region, name);
    } catch {
      // It is told again at the next look.
    } finally {
      this.#telling.delete(region);
    }
  }
}

/** The highest number counts, and of two with the same one the later name. */
function isNewer(promotion: Promotion, before: Promotion | undefined): boolean {
  if (before === undefined || promotion.epoch !== before.epoch) {
    return promotion.epoch > (before?.epoch ?? 0);
  }
  return promotion.region > before.region;
}

function nameOf(promotion: Promotion | undefined): string {
  return promotion === undefined ? "" : `${promotion.epoch} ${promotion.region}`;
}

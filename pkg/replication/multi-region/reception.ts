import type { RegionId } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { PeerMessage, PeerPayload, Promotion, RegionFacts } from "../ports/index.js";
import type { ChangesAnswer, ChangesMessage } from "./core/index.js";
import {
  type RegionAgreement,
  readChangesFrame,
  readRemarks,
  toAnswerFrame,
} from "./wire/index.js";

export interface ReceptionParts {
  facts(): RegionFacts | undefined;
  isLeading(): boolean;
  /** Into the core. */
  take(message: ChangesMessage): Promise<ChangesAnswer>;
  /** What the sender says of the promoted region. */
  promoted(promotion: Promotion | undefined): void;
  /** Once, until it changes. */
  note(region: RegionId, reason: string): void;
}

/** What other regions send to this node, before the core sees it. */
export class Reception {
  readonly #parts: ReceptionParts;
  readonly #heard = new Map<RegionId, number>();
  readonly #objections = new Map<RegionId, string>();

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  /** How many changes the region said it had made itself; undefined while it said nothing here. */
  heard(region: RegionId): number | undefined {
    return this.#heard.get(region);
  }

  /** Why this region takes nothing from that one. */
  objection(region: RegionId): string | undefined {
    return this.#objections.get(region);
  }

  /**
   * @param from - the name under which the caller has proven itself: `region.node`
   * @throws ReplicationError `INVALID` naming what is wrong with the message
   */
  async handle(from: string, payload: PeerPayload): Promise<PeerMessage> {
    const message = readChangesFrame(payload);
    if (!from.startsWith(`${message.from}.`)) {
      const text = `${from} speaks for region "${message.from}", of which it is no node`;
      throw new ReplicationError("INVALID", text, { field: "region_changes.from" });
    }
    const facts = this.#parts.facts();
    if (facts !== undefined && this.#parts.isLeading() && facts.known.has(message.from)) {
      this.#heard.set(message.from, message.contains.get(message.from) ?? 0);
      const { agreement, promotion } = readRemarks(payload);
      this.#parts.promoted(promotion);
      if (this.#disagrees(message.from, facts, agreement)) {
        return toAnswerFrame({ kind: "refused", reason: "settings" });
      }
    }
    return toAnswerFrame(await this.#parts.take(message));
  }

  /** MR-49: what is merged by different rules would differ for ever. */
  #disagrees(region: RegionId, facts: RegionFacts, theirs: RegionAgreement | undefined): boolean {
    const reason = theirs && difference(facts, theirs);
    if (reason === undefined) this.#objections.delete(region);
    else if (this.#objections.get(region) !== reason) {
      this.#objections.set(region, reason);
      this.#parts.note(region, reason);
    }
    return reason !== undefined;
  }
}

function difference(
  { self, others, strategy }: RegionFacts,
  theirs: RegionAgreement,
): string | undefined {
  if (theirs.strategy !== strategy) {
    return `NORNICDB_CLUSTER_CONFLICT_STRATEGY is ${theirs.strategy} there and ${strategy} here`;
  }
  const [here, there] = [[self, ...others], theirs.regions].map((all) =>
    [...all].sort().join(", "),
  );
  if (here === there) return undefined;
  return `its regions are ${there}; here they are ${here} (NORNICDB_CLUSTER_REMOTE_REGIONS)`;
}

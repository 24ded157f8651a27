import type { JsonValue, LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { ReadLevel } from "../replicator.js";
import { AllReads } from "./all-reads.js";
import type { Membership } from "./core/membership.js";
import { RaftReads, type RaftReadsParts } from "./reads.js";

export interface ReadLevelsParts extends RaftReadsParts {
  membership(): Membership;
  /** Why this node answers no strong read; undefined: it does. */
  quarantine(): ReplicationError | undefined;
  /** Where this node is. */
  position(): Position;
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
}

/** Each read on the way that its level asks for. */
export class ReadLevels {
  readonly #parts: ReadLevelsParts;
  readonly #reads: RaftReads;
  readonly #all: AllReads;

  constructor(parts: ReadLevelsParts) {
    this.#parts = parts;
    const settle = (ticket: number, outcome: Position | ReplicationError) => {
      if (!this.#all.settled(ticket, outcome)) parts.settle(ticket, outcome);
    };
    this.#reads = new RaftReads({ ...parts, settle });
    this.#all = new AllReads({
      self: parts.self,
      membership: parts.membership,
      begin: (ticket, key) => this.#reads.begin(ticket, "QUORUM", key),
      order: parts.order,
      settle: parts.settle,
    });
  }

  begin(ticket: number, level: ReadLevel, key: string | undefined): void {
    if (level === "ONE" || level === "LOCAL_ONE") {
      this.#parts.settle(ticket, this.#parts.position());
      return;
    }
    const quarantine = this.#parts.quarantine();
    if (quarantine !== undefined) this.#parts.settle(ticket, quarantine);
    else if (level === "ALL") this.#all.begin(ticket, key);
    else this.#reads.begin(ticket, level === "LEADER" ? level : "QUORUM", key);
  }

  /** A confirmed read for another node's read at ALL. */
  async here(): Promise<JsonValue> {
    const outcome = this.#parts.quarantine() ?? (await this.#all.here());
    if (outcome instanceof ReplicationError) throw outcome;
    return { index: outcome.index, term: outcome.term };
  }

  ready(ticket: number, index: LogIndex, term: Term): void {
    this.#reads.ready(ticket, index, term);
  }

  /** @returns false when the ticket is not of a read */
  refused(ticket: number, error: ReplicationError): boolean {
    return this.#reads.refused(ticket, error);
  }

  retry(): void {
    this.#reads.retry();
  }

  release(): void {
    this.#reads.release();
  }
}

import type { JsonValue, NodeId, Position } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { Membership } from "./core/membership.js";

/** What a voter is asked for: a confirmed read of its own, answered with where its state is. */
export const READ_HERE = "read here";

export interface AllReadsParts {
  readonly self: NodeId;
  membership(): Membership;
  /** A read at QUORUM of this node, under a ticket of no client. */
  begin(ticket: number, key: string | undefined): void;
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
  settle(ticket: number, outcome: Position | ReplicationError): void;
}

/**
 * RB-8: reads at level ALL. The node confirms what must be seen, then every other voter confirms
 * anew and waits until its own state has that, so it has the first, too.
 */
export class AllReads {
  readonly #parts: AllReadsParts;
  readonly #open = new Map<number, (outcome: Position | ReplicationError) => void>();
  #lastTicket = 0;

  constructor(parts: AllReadsParts) {
    this.#parts = parts;
  }

  begin(ticket: number, key: string | undefined): void {
    void this.#everywhere(key).then((outcome) => this.#parts.settle(ticket, outcome));
  }

  /** A confirmed read for another node. */
  here(): Promise<Position | ReplicationError> {
    return this.#confirmed(undefined);
  }

  /** @returns false when the ticket is not of a read that began here */
  settled(ticket: number, outcome: Position | ReplicationError): boolean {
    const settle = this.#open.get(ticket);
    this.#open.delete(ticket);
    settle?.(outcome);
    return settle !== undefined;
  }

  async #everywhere(key: string | undefined): Promise<Position | ReplicationError> {
    const { self, membership, order } = this.#parts;
    const own = await this.#confirmed(key);
    if (own instanceof ReplicationError) return own;
    const { voters, outgoing } = membership();
    const others = new Set(
      [...voters, ...outgoing].map(({ id }) => id).filter((id) => id !== self),
    );
    const missing = await Promise.all(
      [...others].map(async (id) => {
        const answer = await order(id, { action: READ_HERE, args: {} });
        return answer instanceof ReplicationError ? [`${id} (${answer.message})`] : [];
      }),
    );
    const names = missing.flat();
    if (names.length === 0) return own;
    const text = `not every voter has confirmed entry ${own.index}: ${names.join(", ")} did not`;
    return new ReplicationError("LAGGING", text, {
      retryAfterMs: 1_000,
      hint: "level QUORUM sees every acknowledged write without the minority",
    });
  }

  /** Negative fractions: no client, no other node's write and no order has such a ticket. */
  #confirmed(key: string | undefined): Promise<Position | ReplicationError> {
    this.#lastTicket -= 1;
    const ticket = this.#lastTicket - 0.5;
    return new Promise((settle) => {
      this.#open.set(ticket, settle);
      this.#parts.begin(ticket, key);
    });
  }
}

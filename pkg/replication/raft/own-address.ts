import type { JsonValue, NodeId } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import type { ReplicationError } from "../errors.js";
import type { Membership } from "./core/membership.js";

export interface OwnAddressParts {
  readonly self: { readonly id: NodeId; readonly address: string };
  membership(): Membership;
  /** Has that node carry out an order. */
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
}

const RETRY_MS = 2_000;

/**
 * A node that was started at another address than its cluster knows tells every member, itself
 * included, until the membership has the new one: nobody can reach it to tell it who leads.
 */
export class OwnAddress {
  readonly #parts: OwnAddressParts;
  #telling = false;
  #nextMs = 0;

  constructor(parts: OwnAddressParts) {
    this.#parts = parts;
  }

  /** Called again and again; does nothing while the address is right. */
  tick(nowMs: number): void {
    const { self, membership, order } = this.#parts;
    const { voters, outgoing, learners } = membership();
    const members = [...voters, ...outgoing, ...learners];
    const known = members.find(({ id }) => id === self.id);
    if (known === undefined || known.address === self.address) return;
    if (this.#telling || nowMs < this.#nextMs) return;
    this.#telling = true;
    this.#nextMs = nowMs + RETRY_MS;
    const args = { node_id: self.id, address: self.address };
    const ids = [...new Set(members.map(({ id }) => id))];
    const told = ids.map((id) => order(id, { action: "move member", args }));
    void Promise.all(told).then(() => {
      this.#telling = false;
    });
  }
}

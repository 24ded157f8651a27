import type { JsonValue, NodeId } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import type { ReplicationError } from "../errors.js";
import type { PeerMessage } from "../ports/index.js";
import type { Health } from "../replicator.js";
import { type Membership, memberIds } from "./core/membership.js";
import { FrontEnds } from "./front-ends.js";
import { OwnAddress } from "./own-address.js";

export interface WhereaboutsParts {
  readonly self: { readonly id: NodeId; readonly address: string };
  membership(): Membership;
  health(): Health;
  call(to: NodeId, message: PeerMessage): Promise<PeerMessage>;
  /** Has that node carry out an order. */
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
}

/** What the members know of each other beyond the log: who is where, and how it is. */
export class Whereabouts {
  readonly #parts: WhereaboutsParts;
  readonly #frontEnds: FrontEnds;
  readonly #ownAddress: OwnAddress;

  constructor(parts: WhereaboutsParts) {
    const { self, membership, call, order } = parts;
    this.#parts = parts;
    this.#frontEnds = new FrontEnds({
      self: self.id,
      peers: () => memberIds(membership()).filter((id) => id !== self.id),
      call,
    });
    this.#ownAddress = new OwnAddress({ self, membership, order });
  }

  /** The answer to a question about this node; undefined for an action that is none. */
  tell(action: string): JsonValue | undefined {
    if (action === "front ends") return this.#frontEnds.own;
    return action === "describe" ? ({ ...this.#parts.health() } as never) : undefined;
  }

  /** Asks all members where their front ends serve. */
  frontEnds(own: Order["args"]): Promise<JsonValue> {
    return this.#frontEnds.collect(own);
  }

  tick(nowMs: number): void {
    this.#ownAddress.tick(nowMs);
  }
}

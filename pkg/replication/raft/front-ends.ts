import type { JsonValue, NodeId } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { MessageType, type PeerMessage } from "../ports/index.js";
import { PayloadFields } from "../wire/index.js";

export interface FrontEndsParts {
  readonly self: NodeId;
  /** The other members. */
  peers(): readonly NodeId[];
  call(to: NodeId, message: PeerMessage): Promise<PeerMessage>;
}

/**
 * Where the front ends of the members serve, by name of the front end. Each node is told its own
 * by its host program and asks the others; nothing of it is kept.
 */
export class FrontEnds {
  readonly #parts: FrontEndsParts;
  #own: Order["args"] = {};

  constructor(parts: FrontEndsParts) {
    this.#parts = parts;
  }

  get own(): JsonValue {
    return this.#own;
  }

  /** @returns what each member answers, by node id; who does not answer is missing */
  async collect(own: Order["args"]): Promise<JsonValue> {
    this.#own = own;
    const { self, peers, call } = this.#parts;
    const found: [string, JsonValue][] = [[self, own]];
    const message = { type: MessageType.order, payload: { action: "front ends", args: {} } };
    await Promise.all(
      peers().map(async (id) => {
        try {
          const { payload } = await call(id, message);
          found.push([id, new PayloadFields(payload, "orderResponse").json("result")]);
        } catch {
          // It is away, or of a version that does not say: the others are known all the same.
        }
      }),
    );
    return Object.fromEntries(found);
  }
}

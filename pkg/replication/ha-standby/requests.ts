import type { NodeId } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import { MessageType, type PeerMessage } from "../ports/index.js";
import type { Verification } from "../verification/index.js";
import type { HaCopies } from "./copies.js";
import type { HaWrites } from "./ha-writes.js";
import type { HaOrders } from "./orders.js";

/**
 * Answers what another node asks that the core has no part in.
 * @param copies - missing while the node starts
 */
export async function handleRequest(
  from: NodeId,
  message: PeerMessage,
  copies: HaCopies | undefined,
  writes: HaWrites,
  verification: Verification,
  orders: HaOrders,
): Promise<PeerMessage> {
  switch (message.type) {
    case MessageType.installSnapshot:
      if (copies !== undefined) return copies.handle(from, message);
      break;
    case MessageType.fullSync:
      if (copies !== undefined) return copies.serve(from, message);
      break;
    case MessageType.forward:
      return writes.take(message);
    case MessageType.verify:
      return verification.handle(message);
    case MessageType.order:
      return orders.answer(message);
  }
  throw new ReplicationError("INVALID", `a pair knows no message of type ${message.type}`);
}

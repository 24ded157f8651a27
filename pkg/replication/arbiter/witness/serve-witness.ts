import type { NodeId } from "../../../base/index.js";
import { ArbiterError, MessageType, type PeerMessage } from "../../ports/index.js";
import type { LeaseRegister } from "./lease-register.js";
import { answerMessage, toRequest } from "./messages.js";

/** Answers what nodes of any cluster ask; `cluster` is the one that the node has proven. */
export function witnessHandler(
  register: LeaseRegister,
): (from: NodeId, message: PeerMessage, cluster: string) => Promise<PeerMessage> {
  return async (from, message, cluster) => {
    if (message.type !== MessageType.lease) {
      throw new ArbiterError("INVALID", "this is a witness: it holds leases and nothing else");
    }
    const request = toRequest(message);
    if (request.kind === "read") {
      return answerMessage({ ok: true, record: register.read(cluster) });
    }
    if (request.kind === "wait") {
      const record = await register.changed(cluster, request.known, request.waitMs);
      return answerMessage({ ok: true, record });
    }
    const claimant = request.kind === "acquire" ? request.candidate : request.holder;
    if (claimant !== from) {
      throw new ArbiterError("REFUSED", `node ${from} may not speak for ${claimant}`);
    }
    return answerMessage(await register.ask(cluster, request));
  };
}

import type { LeaseAnswer, LeaseRecord, PeerMessage } from "../../ports/index.js";
import { MessageType } from "../../ports/index.js";
import { PayloadFields } from "../../wire/index.js";
import type { LeaseRequest } from "../lease.js";
import { nodeIds } from "../stored-lease.js";

/** What a node asks of the witness: a change of the lease, the record, or its next change. */
export type WitnessRequest =
  | LeaseRequest
  | { readonly kind: "read" }
  /** Answered as soon as the record is not `known`, or after `waitMs`. */
  | { readonly kind: "wait"; readonly known: LeaseRecord; readonly waitMs: number };

const KINDS = ["acquire", "renew", "in_sync", "release", "read", "wait"] as const;

export function requestMessage(request: WitnessRequest): PeerMessage {
  if (request.kind === "wait") {
    return { type: MessageType.lease, payload: { ...request, known: { ...request.known } } };
  }
  return { type: MessageType.lease, payload: { ...request } };
}

/** @throws ReplicationError `INVALID` naming the field */
export function toRequest(message: PeerMessage): WitnessRequest {
  const fields = new PayloadFields(message.payload, "lease");
  const kind = fields.oneOf("kind", KINDS);
  switch (kind) {
    case "acquire":
      return {
        kind,
        candidate: fields.nodeId("candidate"),
        epoch: fields.term("epoch"),
        inSync: nodeIds(fields, "inSync"),
        ttlMs: fields.count("ttlMs"),
        force: fields.value("force") === undefined ? false : fields.flag("force"),
        ...(fields.value("ifEpoch") === undefined ? {} : { ifEpoch: fields.term("ifEpoch") }),
        ...(fields.value("ifInSync") === undefined
          ? {}
          : { ifInSync: nodeIds(fields, "ifInSync") }),
      };
    case "renew":
      return { kind, ...claim(fields), ttlMs: fields.count("ttlMs") };
    case "in_sync":
      return { kind, ...claim(fields), inSync: nodeIds(fields, "inSync") };
    case "release":
      return { kind, ...claim(fields) };
    case "read":
      return { kind };
    case "wait":
      return { kind, known: toLeaseRecord(fields.fields("known")), waitMs: fields.count("waitMs") };
  }
}

function claim(fields: PayloadFields) {
  return { holder: fields.nodeId("holder"), epoch: fields.term("epoch") };
}

export function answerMessage({ ok, record }: LeaseAnswer): PeerMessage {
  return { type: MessageType.leaseResponse, payload: { ok, ...record } };
}

/** @throws ReplicationError `INVALID` naming the field */
export function toAnswer(message: PeerMessage): LeaseAnswer {
  const fields = new PayloadFields(message.payload, "leaseResponse");
  return { ok: fields.flag("ok"), record: toLeaseRecord(fields) };
}

function toLeaseRecord(fields: PayloadFields): LeaseRecord {
  return {
    epoch: fields.term("epoch"),
    holder: fields.value("holder") === null ? null : fields.nodeId("holder"),
    inSync: nodeIds(fields, "inSync"),
    held: fields.flag("held"),
  };
}

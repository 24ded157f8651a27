import type { JsonValue } from "../../base/index.js";
import { MessageType, type PeerMessage, type PeerPayload } from "../ports/index.js";
import { badField, PayloadFields } from "../wire/index.js";
import { CONFIG_BYTES_MAX } from "./core/limits.js";
import {
  REFUSALS,
  type SnapshotOffer,
  type SnapshotReply,
  type SnapshotRequest,
} from "./core/messages.js";

const ID_LENGTH_MAX = 128;
const CRC_MAX = 0xffff_ffff;
const SHA256 = /^[0-9a-f]{64}$/;
const REQUEST_KINDS = ["offer", "chunk", "finish", "abort"] as const;
const REPLY_KINDS = ["ack", "resend", "installing", "installed", "refuse"] as const;

/** The request as it crosses the wire, code 28. A chunk's bytes are not copied. */
export function requestToPeer(request: SnapshotRequest): PeerMessage {
  const { kind } = request;
  const type = MessageType.installSnapshot;
  if (kind === "offer") return { type, payload: { kind, ...offerToJson(request.offer) } };
  if (kind !== "chunk") return { type, payload: { ...request } };
  const { id, index, crc, sum, bytes } = request;
  return { type, payload: { kind, id, index, crc, sum, data: bytes } };
}

/** The answer as it crosses the wire, code 29. */
export function replyToPeer(reply: SnapshotReply): PeerMessage {
  return { type: MessageType.installSnapshotResponse, payload: { ...reply } };
}

/** The offer as plain JSON, as it stands in frames and in the staged file. */
export function offerToJson(offer: SnapshotOffer): { readonly [key: string]: JsonValue } {
  const { id, term, position, sizeBytes, chunkBytes, force, config } = offer;
  const { index } = position;
  return {
    id,
    term,
    position: { index, term: position.term },
    sizeBytes,
    chunkBytes,
    force,
    config,
  };
}

/** @throws ReplicationError `INVALID` naming the field */
export function offerFromJson(value: PeerPayload): SnapshotOffer {
  const fields = new PayloadFields(value, "snapshot_offer");
  const chunkBytes = fields.count("chunkBytes");
  if (chunkBytes === 0) throw fields.bad("chunkBytes", "at least 1");
  const position = fields.position("position");
  if ((position.index === 0) !== (position.term === 0)) {
    throw fields.bad("position", "that of an entry, or 0 twice");
  }
  return {
    id: nonEmptyId(fields),
    term: fields.term("term"),
    position,
    sizeBytes: fields.count("sizeBytes"),
    chunkBytes,
    force: fields.flag("force"),
    config: smallConfig(fields),
  };
}

/**
 * @throws ReplicationError `INVALID` naming the field; nothing of the message may be used then
 */
export function requestFromPeer(message: PeerMessage): SnapshotRequest {
  if (message.type !== MessageType.installSnapshot) {
    throw badField("type", `${MessageType.installSnapshot}, install snapshot`);
  }
  const fields = new PayloadFields(message.payload, "snapshot_request");
  const kind = fields.oneOf("kind", REQUEST_KINDS);
  if (kind === "offer") return { kind, offer: offerFromJson(message.payload) };
  const id = nonEmptyId(fields);
  if (kind === "abort") return { kind, id };
  if (kind === "finish") {
    const sha256 = fields.text("sha256", 64);
    if (!SHA256.test(sha256)) throw fields.bad("sha256", "64 hexadecimal digits");
    return { kind, id, sha256 };
  }
  const bytes = fields.bytes("data");
  return {
    kind,
    id,
    index: fields.count("index"),
    crc: crc(fields, "crc"),
    sum: crc(fields, "sum"),
    bytes,
  };
}

/**
 * @throws ReplicationError `INVALID` naming the field; nothing of the message may be used then
 */
export function replyFromPeer(message: PeerMessage): SnapshotReply {
  if (message.type !== MessageType.installSnapshotResponse) {
    throw badField("type", `${MessageType.installSnapshotResponse}, its answer`);
  }
  const fields = new PayloadFields(message.payload, "snapshot_reply");
  const kind = fields.oneOf("kind", REPLY_KINDS);
  const id = nonEmptyId(fields);
  switch (kind) {
    case "ack":
      return { kind, id, next: fields.count("next") };
    case "resend": {
      const reason = fields.oneOf("reason", ["gap", "corrupt"] as const);
      return { kind, id, next: fields.count("next"), reason };
    }
    case "refuse": {
      const reason = fields.oneOf("reason", REFUSALS);
      return { kind, id, reason, term: fields.term("term"), index: fields.index("index") };
    }
    default:
      return { kind, id };
  }
}

function smallConfig(fields: PayloadFields): JsonValue {
  const config = fields.json("config");
  if (Buffer.byteLength(JSON.stringify(config)) > CONFIG_BYTES_MAX) {
    throw fields.bad("config", `at most ${CONFIG_BYTES_MAX} bytes of JSON`);
  }
  return config;
}

function nonEmptyId(fields: PayloadFields): string {
  const id = fields.text("id", ID_LENGTH_MAX);
  if (id === "") throw fields.bad("id", "at least one character");
  return id;
}

function crc(fields: PayloadFields, name: string): number {
  const value = fields.count(name);
  if (value > CRC_MAX) throw fields.bad(name, "a number of 32 bits");
  return value;
}

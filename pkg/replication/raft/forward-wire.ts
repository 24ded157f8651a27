import type { JsonValue } from "../../base/index.js";
import { ERROR_CODES, type ErrorData, fromErrorData, toErrorData } from "../errors.js";
import { type PackedPayloads, unpackPayloads } from "../payload.js";
import {
  type ApplyResult,
  MessageType,
  type PeerMessage,
  type PeerPayload,
} from "../ports/index.js";
import type { Durability } from "../replicator.js";
import { badField, PayloadFields } from "../wire/index.js";
import type { ForwardedAnswer } from "./forwarding.js";

/** Writes of one forwarded message; a larger one is refused. */
export const FORWARDED_WRITES_MAX = 16_384;

/** Writes of a follower's clients, for the leader. */
export function forwardMessage(payloads: readonly Uint8Array[]): PeerMessage {
  const ends: number[] = [];
  let end = 0;
  for (const payload of payloads) {
    end += payload.length;
    ends.push(end);
  }
  const data = new Uint8Array(end);
  for (const [at, payload] of payloads.entries()) data.set(payload, at === 0 ? 0 : ends[at - 1]);
  return { type: MessageType.forward, payload: { ends, data } };
}

/** @throws ReplicationError `INVALID` naming the field */
export function forwardedPayloads(payload: PeerPayload): Uint8Array[] {
  const fields = new PayloadFields(payload, "forward");
  const bytes = fields.bytes("data");
  const ends = fields.list("ends", FORWARDED_WRITES_MAX) as readonly number[];
  let before = 0;
  for (const end of ends) {
    if (!Number.isSafeInteger(end) || end <= before || end > bytes.length) {
      throw fields.bad("ends", "ascending ends of payloads within data");
    }
    before = end;
  }
  if (before !== bytes.length) throw fields.bad("ends", "the length of data, at the last");
  const packed: PackedPayloads = { bytes, ends: Uint32Array.from(ends) };
  return unpackPayloads(packed);
}

export function answersMessage(answers: readonly ForwardedAnswer[]): PeerMessage {
  const list = answers.map((answer) =>
    "refused" in answer ? { error: toErrorData(answer.refused) } : answer,
  );
  const payload = JSON.parse(JSON.stringify({ answers: list })) as PeerPayload;
  return { type: MessageType.forwardResponse, payload };
}

/** @throws ReplicationError `INVALID` naming the field */
export function answersOf(message: PeerMessage): ForwardedAnswer[] {
  if (message.type !== MessageType.forwardResponse) throw badField("type", "forwardResponse");
  const list = new PayloadFields(message.payload, "forwardResponse").list(
    "answers",
    FORWARDED_WRITES_MAX,
  );
  return list.map((item, at) => toAnswer(item, `forwardResponse.answers[${at}]`));
}

const DURABILITIES: readonly Durability[] = ["local", "received", "persisted", "quorum"];

function toAnswer(item: PeerPayload, where: string): ForwardedAnswer {
  const fields = new PayloadFields(item, where);
  if (fields.value("error") !== undefined) {
    const error = fields.fields("error");
    const code = error.oneOf("code", ERROR_CODES);
    const message = String(error.value("message") ?? "");
    const details = (error.value("details") ?? {}) as unknown as ErrorData["details"];
    return { refused: fromErrorData({ code, message, details }) };
  }
  const result = fields.fields("result");
  const index = result.index("index");
  const replayed = result.flag("replayed");
  const applied: ApplyResult = result.flag("ok")
    ? { index, replayed, ok: true, value: (result.value("value") ?? null) as JsonValue }
    : {
        index,
        replayed,
        ok: false,
        code: result.oneOf("code", ERROR_CODES),
        message: String(result.value("message") ?? ""),
      };
  const durability = fields.oneOf("durability", DURABILITIES);
  return { result: applied, term: fields.term("term"), durability };
}

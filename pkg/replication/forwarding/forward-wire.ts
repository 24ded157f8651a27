import { isSafeCount, type JsonValue } from "../../base/index.js";
import { ERROR_CODES, type ErrorData, fromErrorData, toErrorData } from "../errors.js";
import { type PackedPayloads, unpackPayloads } from "../payload.js";
import {
  type ApplyResult,
  MessageType,
  type PeerMessage,
  type PeerPayload,
} from "../ports/index.js";
import { DURABILITIES, type Durability } from "../replicator.js";
import { badField, PayloadFields } from "../wire/index.js";
import type { ForwardedAnswer, ForwardedWrite } from "./forwarder.js";

/** Writes of one forwarded message; a larger one is refused. */
export const FORWARDED_WRITES_MAX = 16_384;

/** Writes of another node's clients, for the leader. `wants`: `[place, durability]` of who asks. */
export function forwardMessage(writes: readonly ForwardedWrite[]): PeerMessage {
  const ends: number[] = [];
  const wants: [number, Durability][] = [];
  let end = 0;
  for (const [at, { payload, durability }] of writes.entries()) {
    end += payload.length;
    ends.push(end);
    if (durability !== undefined) wants.push([at, durability]);
  }
  const data = new Uint8Array(end);
  for (const [at, { payload }] of writes.entries()) data.set(payload, at === 0 ? 0 : ends[at - 1]);
  const body = wants.length === 0 ? { ends, data } : { ends, wants, data };
  return { type: MessageType.forward, payload: body };
}

/** @throws ReplicationError `INVALID` naming the field */
export function forwardedWrites(payload: PeerPayload): ForwardedWrite[] {
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
  const writes: ForwardedWrite[] = unpackPayloads(packed).map((bytes) => ({ payload: bytes }));
  if (fields.value("wants") !== undefined) {
    for (const [at, durability] of wantsOf(fields, writes.length)) {
      writes[at] = { ...(writes[at] as ForwardedWrite), durability };
    }
  }
  return writes;
}

function wantsOf(fields: PayloadFields, count: number): (readonly [number, Durability])[] {
  return fields.list("wants", count).map((item) => {
    const [at, asked] = Array.isArray(item) ? (item as readonly PeerPayload[]) : [];
    const durability = DURABILITIES.find((one) => one === asked);
    if (durability === undefined || !isSafeCount(at) || at >= count) {
      throw fields.bad("wants", "pairs of a write's place and a durability");
    }
    return [at, durability];
  });
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

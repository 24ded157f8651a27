import { isSafeCount } from "../../base/index.js";
import {
  type ContentAnswers,
  MessageType,
  type PeerMessage,
  type PeerPayload,
} from "../ports/index.js";
import { PayloadFields } from "../wire/index.js";
import { VERIFY_LIMITS } from "./core/limits.js";
import type {
  Marker,
  VerifyAnswers,
  VerifyQuery,
  VerifyReply,
  VerifyRequest,
} from "./core/messages.js";

const { shards, sampleKeysMax, keysMax, narrowMax } = VERIFY_LIMITS;
/** Characters of a key: its kind, and a label with a property name, or an id. */
const KEY_CHARS_MAX = 1_024;
const COMMANDS_MAX = 4 * keysMax;

export function encodeMarker(marker: Marker): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(marker), "utf8"));
}

/** @returns undefined for a marker that this version does not understand */
export function decodeMarker(payload: Uint8Array): Marker | undefined {
  try {
    const fields = new PayloadFields(JSON.parse(Buffer.from(payload).toString("utf8")), "marker");
    const id = fields.text("id", 256);
    const ask = fields.oneOf("ask", ["compare", "repair", "sync"] as const);
    if (ask === "compare") return { id, ask };
    const node = fields.nodeId("node");
    if (ask === "sync") return { id, ask, node, source: fields.nodeId("source") };
    return { id, ask, node, keys: toKeys(fields, "keys", VERIFY_LIMITS.repairKeysMax) };
  } catch {
    return undefined;
  }
}

export function requestToPeer({ index, query }: VerifyRequest): PeerMessage {
  return { type: MessageType.verify, payload: { index, query: query as never as PeerPayload } };
}

/** @throws ReplicationError `INVALID` naming the field */
export function requestFromPeer({ payload }: PeerMessage): VerifyRequest {
  const fields = new PayloadFields(payload, "verify");
  return { index: fields.index("index"), query: toQuery(fields.fields("query")) };
}

function toQuery(fields: PayloadFields): VerifyQuery {
  const kind = fields.oneOf("kind", KINDS);
  switch (kind) {
    case "sums":
    case "copy":
    case "progress":
      return { kind };
    case "end":
      return { kind, proven: fields.flag("proven") };
    case "digest": {
      if (fields.value("sample") === null) return { kind, sample: null };
      return { kind, sample: toSampleQuery(fields.fields("sample")) };
    }
    case "sample":
      return toSampleQuery(fields);
    case "buckets":
      return { kind, shards: toCounts(fields, "shards", narrowMax, shards) };
    case "keys":
      return {
        kind,
        places: toCounts(fields, "places", narrowMax, shards * shards),
        keysMax: Math.min(fields.count("keysMax"), keysMax),
      };
    case "records":
      return { kind, keys: toKeys(fields, "keys", VERIFY_LIMITS.repairKeysMax) };
    default:
      return { kind, indexes: toCounts(fields, "indexes", COMMANDS_MAX) };
  }
}

const KINDS = [
  "digest",
  "sample",
  "sums",
  "buckets",
  "keys",
  "records",
  "commands",
  "progress",
  "copy",
  "end",
] as const satisfies readonly (keyof VerifyAnswers)[];

function toSampleQuery(fields: PayloadFields) {
  return {
    kind: "sample" as const,
    shards: toCounts(fields, "shards", shards, shards),
    keysMax: Math.min(fields.count("keysMax"), sampleKeysMax),
    seed: fields.count("seed"),
  };
}

export function replyToPeer(reply: VerifyReply): PeerMessage {
  return { type: MessageType.verifyResponse, payload: reply as never as PeerPayload };
}

/** @throws ReplicationError `INVALID` naming the field */
export function replyFromPeer<Kind extends keyof VerifyAnswers>(
  { payload }: PeerMessage,
  query: VerifyQuery & { readonly kind: Kind },
): VerifyReply<Kind> {
  const fields = new PayloadFields(payload, "verifyResponse");
  const status = fields.oneOf("status", ["ready", "unknown"] as const);
  if (status === "unknown") return { status, reason: String(fields.value("reason")) };
  return {
    status,
    applied: fields.index("applied"),
    quarantined: fields.flag("quarantined"),
    result: toResult(fields, query) as VerifyAnswers[Kind],
  };
}

function toResult(fields: PayloadFields, query: VerifyQuery): VerifyAnswers[keyof VerifyAnswers] {
  switch (query.kind) {
    case "copy":
      return fields.flag("result");
    case "progress":
      return fields.oneOf("result", ["running", "done", "failed"] as const);
    case "end":
      return null;
    case "sums": {
      const result = fields.fields("result");
      return { sums: toSums(result, "sums"), counts: toSums(result, "counts") };
    }
    case "digest": {
      const result = fields.fields("result");
      const sample = result.value("sample") === null ? null : toSamples(result, "sample");
      return { shards: toSums(result, "shards"), sample };
    }
    case "sample":
      return toSamples(fields, "result");
    case "buckets":
      return fields.list("result", query.shards.length).map((sums) => checkSums(fields, sums));
    case "keys":
      return fields.value("result") === null ? null : toContentKeys(fields);
    case "records":
      return fields.list("result", query.keys.length).map((item) => {
        const record = new PayloadFields(item, "verifyResponse.result");
        return { key: toKey(record, record.value("key")), value: record.json("value") };
      });
    default:
      return fields.list("result", query.indexes.length).map((text) => {
        if (text === null || (typeof text === "string" && text.length <= 256)) return text;
        throw fields.bad("result", "a list of texts and nulls");
      });
  }
}

function toContentKeys(fields: PayloadFields): ContentAnswers["keys"] {
  return fields.list("result", keysMax).map((item) => {
    const one = new PayloadFields(item, "verifyResponse.result");
    const key = toKey(one, one.value("key"));
    return { key, hash: one.count("hash"), version: one.count("version") };
  });
}

function toSamples(fields: PayloadFields, name: string): ContentAnswers["sample"] {
  return fields.list(name, shards).map((item) => {
    const one = new PayloadFields(item, `verifyResponse.${name}`);
    return {
      shard: one.count("shard"),
      count: one.count("count"),
      keys: toCounts(one, "keys", sampleKeysMax),
      prefixHashes: toCounts(one, "prefixHashes", sampleKeysMax),
      checksums: toCounts(one, "checksums", sampleKeysMax),
    };
  });
}

function toSums(fields: PayloadFields, name: string): readonly number[] {
  return checkSums(fields, fields.value(name));
}

function checkSums(fields: PayloadFields, value: PeerPayload | undefined): readonly number[] {
  if (Array.isArray(value) && value.length === shards && value.every(isSafeCount)) return value;
  throw fields.bad("result", `${shards} whole numbers`);
}

function toCounts(
  fields: PayloadFields,
  name: string,
  itemsMax: number,
  below = 2 ** 53,
): readonly number[] {
  const list = fields.list(name, itemsMax);
  if (list.every((item) => isSafeCount(item) && item < below)) return list as readonly number[];
  throw fields.bad(name, `whole numbers from 0 to ${below - 1}`);
}

function toKeys(fields: PayloadFields, name: string, itemsMax: number): readonly string[] {
  return fields.list(name, itemsMax).map((item) => toKey(fields, item));
}

function toKey(fields: PayloadFields, value: PeerPayload | undefined): string {
  if (typeof value === "string" && value.length <= KEY_CHARS_MAX) return value;
  throw fields.bad("keys", `texts of at most ${KEY_CHARS_MAX} characters`);
}

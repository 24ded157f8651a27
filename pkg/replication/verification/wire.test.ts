import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type NodeId, toLogIndex } from "../../base/index.js";
import { decodeEnvelope, encodeFrame } from "../../transport/index.js";
import { ReplicationError } from "../errors.js";
import { MessageType, type PeerMessage, type PeerPayload } from "../ports/index.js";
import { VERIFY_LIMITS } from "./core/limits.js";
import type { Marker, VerifyQuery, VerifyReply } from "./core/messages.js";
import {
  decodeMarker,
  encodeMarker,
  replyFromPeer,
  replyToPeer,
  requestFromPeer,
  requestToPeer,
} from "./wire.js";

function cross(message: PeerMessage): PeerMessage {
  const { type, payload } = decodeEnvelope(encodeFrame(message).subarray(4));
  return { type, payload: payload ?? null };
}

const count = fc.nat(2 ** 48 - 1);
const shard = fc.nat(VERIFY_LIMITS.shards - 1);
const key = fc.string({ unit: "grapheme", maxLength: 100 });
const sums = fc.array(count, { minLength: 1_024, maxLength: 1_024 });
const few = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 10 });

const sampleQuery = fc.record({
  kind: fc.constant("sample" as const),
  shards: few(shard),
  keysMax: fc.nat(VERIFY_LIMITS.sampleKeysMax),
  seed: fc.maxSafeNat(),
});
const query: fc.Arbitrary<VerifyQuery> = fc.oneof(
  fc.constant({ kind: "sums" as const }),
  fc.constant({ kind: "progress" as const }),
  fc.constant({ kind: "copy" as const }),
  fc.record({ kind: fc.constant("end" as const), proven: fc.boolean() }),
  fc.record({
    kind: fc.constant("digest" as const),
    sample: fc.oneof(fc.constant(null), sampleQuery),
  }),
  sampleQuery,
  fc.record({ kind: fc.constant("buckets" as const), shards: few(shard) }),
  fc.record({
    kind: fc.constant("keys" as const),
    places: few(fc.nat(2 ** 20 - 1)),
    keysMax: fc.nat(VERIFY_LIMITS.keysMax),
  }),
  fc.record({ kind: fc.constant("records" as const), keys: few(key) }),
  fc.record({ kind: fc.constant("commands" as const), indexes: few(fc.maxSafeNat()) }),
);

const sample = fc.record({
  shard,
  count,
  keys: few(count),
  prefixHashes: few(count),
  checksums: few(count),
});
const answer = fc.oneof(
  fc.tuple(fc.constant("copy" as const), fc.boolean()),
  fc.tuple(fc.constant("progress" as const), fc.constantFrom("running", "done", "failed")),
  fc.tuple(fc.constant("sums" as const), fc.record({ sums, counts: sums })),
  fc.tuple(
    fc.constant("digest" as const),
    fc.record({ shards: sums, sample: fc.oneof(fc.constant(null), few(sample)) }),
  ),
  fc.tuple(
    fc.constant("keys" as const),
    fc.oneof(fc.constant(null), few(fc.record({ key, hash: count, version: fc.maxSafeNat() }))),
  ),
  fc.tuple(
    fc.constant("records" as const),
    few(fc.record({ key, value: fc.oneof(fc.constant(null), fc.record({ id: key })) })),
  ),
);

describe("VF-12 on the wire", () => {
  test("VF-12 questions come back equal (S1.56)", () => {
    fc.assert(
      fc.property(fc.nat().map(toLogIndex), query, (index, asked) => {
        const message = cross(requestToPeer({ index, query: asked }));
        expect(message.type).toBe(MessageType.verify);
        expect(requestFromPeer(message)).toEqual({ index, query: asked });
      }),
      { numRuns: 200 },
    );
  });

  test("VF-12 answers come back equal", () => {
    fc.assert(
      fc.property(answer, fc.boolean(), ([kind, result], quarantined) => {
        const reply = {
          status: "ready",
          applied: toLogIndex(7),
          quarantined,
          result,
        } as VerifyReply;
        const asked = { kind, keys: Array(10).fill("") } as never as VerifyQuery;
        expect(replyFromPeer(cross(replyToPeer(reply)), asked)).toEqual(reply);
      }),
      { numRuns: 100 },
    );
    const unknown = { status: "unknown", reason: "it is late" } as const;
    expect(replyFromPeer(cross(replyToPeer(unknown)), { kind: "sums" })).toEqual(unknown);
  });

  const refusal = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      if (error instanceof ReplicationError) return error.details.field;
      throw error;
    }
    return undefined;
  };
  const ask = (asked: PeerPayload) =>
    refusal(() => requestFromPeer({ type: 32, payload: { index: 1, query: asked } }));

  test.each<readonly [string, PeerPayload, string]>([
    ["no query", null, "verify.query"],
    ["a kind nobody knows", { kind: "drop" }, "verify.query.kind"],
    ["a shard that is none", { kind: "buckets", shards: [1_024] }, "verify.query.shards"],
    ["too many shards", { kind: "buckets", shards: Array(11).fill(1) }, "verify.query.shards"],
    ["keys that are no texts", { kind: "records", keys: [1] }, "verify.query.keys"],
    ["too many keys", { kind: "records", keys: Array(11).fill("n:a") }, "verify.query.keys"],
    [
      "a sample without a seed",
      { kind: "digest", sample: { kind: "sample", shards: [], keysMax: 1 } },
      "verify.query.sample.seed",
    ],
  ])("VF-12 a question with %s is refused by the name of the field", (_what, asked, field) => {
    expect(ask(asked)).toBe(field);
  });

  const told = (kind: string, result: PeerPayload) =>
    refusal(() =>
      replyFromPeer(
        { type: 33, payload: { status: "ready", applied: 1, quarantined: false, result } },
        { kind, keys: [], shards: [1], indexes: [1] } as never as VerifyQuery,
      ),
    );

  test.each<readonly [string, PeerPayload, string]>([
    ["sums", { sums: [1], counts: [] }, "verifyResponse.result.result"],
    ["buckets", [[1, 2]], "verifyResponse.result"],
    ["progress", "well", "verifyResponse.result"],
    ["commands", [5], "verifyResponse.result"],
    ["keys", [{ key: "n:a", hash: -1, version: 1 }], "verifyResponse.result.hash"],
  ])("VF-12 a wrong answer about %s is refused", (kind, result, field) => {
    expect(told(kind, result)).toBe(field);
  });

  test("VF-12 markers come back from the log; one that is not understood is passed over", () => {
    const node = "n1" as NodeId;
    const markers: Marker[] = [
      { id: "m", ask: "compare" },
      { id: "m", ask: "repair", node, keys: ["n:ä", "i:L\0p"] },
      { id: "m", ask: "sync", node, source: "n2" as NodeId },
    ];
    for (const marker of markers) expect(decodeMarker(encodeMarker(marker))).toEqual(marker);
    const texts = ["", "{", "null", "[]", '{"id":"m","ask":"explode"}', '{"id":"m","ask":"sync"}'];
    for (const text of texts) expect(decodeMarker(Buffer.from(text))).toBeUndefined();
  });
});

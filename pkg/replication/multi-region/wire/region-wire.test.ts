import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRegionId, type RegionId } from "../../../base/index.js";
import { MessageType, type PeerPayload } from "../../ports/index.js";
import type { ChangesAnswer } from "../core/index.js";
import {
  REGION_WIRE_LIMITS,
  readAnswerFrame,
  readChangesFrame,
  readRemarks,
  toAnswerFrame,
  toChangesFrame,
} from "./index.js";

const regions = fc.constantFrom("eu", "us", "ap-2").map((name) => parseRegionId(name) as RegionId);
const counts = fc.oneof(fc.nat(5), fc.maxSafeNat());
const vectors = fc.uniqueArray(fc.tuple(regions, counts), { selector: ([region]) => region });
const vector = vectors.map((list) => new Map(list));
const runs = fc.record({
  origin: regions,
  firstSeq: counts.map((count) => count + 1).filter(Number.isSafeInteger),
  texts: fc.array(
    fc.string({ minLength: 1 }).map((text) => JSON.stringify(text)),
    { minLength: 1 },
  ),
});
const messages = fc.record({
  from: regions,
  contains: vector,
  runs: fc.array(runs, { maxLength: 3 }),
});
const answers: fc.Arbitrary<ChangesAnswer> = fc.oneof(
  fc.record({ kind: fc.constant("taken" as const), have: vector, learned: fc.boolean() }),
  fc.record({
    kind: fc.constantFrom("gap" as const, "early" as const),
    have: vector,
    missing: vector,
  }),
  fc.record({ kind: fc.constant("busy" as const), have: vector }),
  fc.record({ kind: fc.constant("failed" as const) }),
  fc.record({
    kind: fc.constant("not_leader" as const),
    leader: fc.constantFrom(null, "127.0.0.1:7688", "[::1]:1"),
  }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constantFrom("stranger" as const, "lost" as const),
  }),
);

function crossed(payload: PeerPayload): PeerPayload {
  return JSON.parse(JSON.stringify(payload));
}

test("MR-42 a message and an answer say the same after they were sent", () => {
  fc.assert(
    fc.property(messages, answers, (message, answer) => {
      const frame = toChangesFrame(message);
      expect(frame.type).toBe(MessageType.regionChanges);
      expect(readChangesFrame(crossed(frame.payload))).toEqual(message);
      const reply = toAnswerFrame(answer);
      expect(reply.type).toBe(MessageType.regionChangesResponse);
      expect(readAnswerFrame(crossed(reply.payload))).toEqual(answer);
    }),
  );
});

test("MR-42 what goes beside changes says the same after it was sent, and may be missing", () => {
  const eu = parseRegionId("eu") as RegionId;
  const message = { from: eu, contains: new Map(), runs: [] };
  const remarks = {
    agreement: { strategy: "manual", regions: [eu] },
    promotion: { region: eu, epoch: 3 },
  };
  expect(readRemarks(crossed(toChangesFrame(message, remarks).payload))).toEqual(remarks);
  expect(readRemarks(crossed(toChangesFrame(message).payload))).toEqual({});
  const wrong = { from: "eu", contains: [], runs: [], promotion: { region: "eu", epoch: 0 } };
  expect(() => readRemarks(wrong)).toThrow(
    expect.objectContaining({ details: { field: "region_changes.promotion.epoch" } }),
  );
});

const MESSAGE = { from: "eu", contains: [["eu", 1]], runs: [["eu", 1, ["{}"]]] };
const TOO_MANY = Array.from({ length: REGION_WIRE_LIMITS.changesMax + 1 }, () => "{}");

test.each<[string, Readonly<Record<string, unknown>>]>([
  ["from", { from: "a b" }],
  ["from", { from: undefined }],
  ["contains", { contains: {} }],
  ["contains", { contains: [["eu"]] }],
  ["contains", { contains: [["eu", -1]] }],
  ["contains", { contains: [["eu", 2 ** 53]] }],
  [
    "contains",
    {
      contains: [
        ["eu", 1],
        ["eu", 2],
      ],
    },
  ],
  ["runs", { runs: [null] }],
  ["runs", { runs: [["eu", 0, ["{}"]]] }],
  ["runs", { runs: [["eu", 1, []]] }],
  ["runs", { runs: [["eu", 1, [{}]]] }],
  ["runs", { runs: [["eu", 1, ["{}\n{}"]]] }],
  ["runs", { runs: [["eu", 1, TOO_MANY]] }],
  ["runs", { runs: Array.from({ length: 17 }, () => ["eu", 1, ["{}"]]) }],
])("MR-42 a message with a wrong %s is refused by its name: %j (FC-140)", (field, change) => {
  const payload = { ...MESSAGE, ...change } as PeerPayload;
  expect(() => readChangesFrame(payload)).toThrow(
    expect.objectContaining({ code: "INVALID", details: { field: `region_changes.${field}` } }),
  );
});

test.each<[string, unknown]>([
  ["kind", {}],
  ["kind", { kind: "constructor" }],
  ["have", { kind: "taken", learned: true }],
  ["learned", { kind: "taken", have: [] }],
  ["missing", { kind: "gap", have: [] }],
  ["leader", { kind: "not_leader", leader: 7 }],
  ["leader", { kind: "not_leader", leader: "x".repeat(301) }],
  ["reason", { kind: "refused", reason: "mood" }],
])("MR-42 an answer with a wrong %s is refused by its name: %j", (field, payload) => {
  expect(() => readAnswerFrame(payload as PeerPayload)).toThrow(
    expect.objectContaining({ details: { field: `region_changes_response.${field}` } }),
  );
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toLogIndex, toTerm } from "../../base/index.js";
import { decodeEnvelope, encodeFrame } from "../../transport/index.js";
import { ReplicationError } from "../errors.js";
import { MessageType, type PeerMessage, type PeerPayload } from "../ports/index.js";
import { CONFIG_BYTES_MAX } from "./core/limits.js";
import { REFUSALS, type SnapshotReply, type SnapshotRequest } from "./core/messages.js";
import { replyFromPeer, replyToPeer, requestFromPeer, requestToPeer } from "./wire.js";

function cross(message: PeerMessage): PeerMessage {
  const { type, payload } = decodeEnvelope(encodeFrame(message).subarray(4));
  return { type, payload: payload ?? null };
}

const id = fc.stringMatching(/^[ -~]{1,128}$/);
const crc = fc.nat(0xffff_ffff);
const count = fc.maxSafeNat();
const place = fc.oneof(
  fc.constant({ index: toLogIndex(0), term: toTerm(0) }),
  fc.record({
    index: fc.integer({ min: 1 }).map(toLogIndex),
    term: fc.integer({ min: 1 }).map(toTerm),
  }),
);
const request: fc.Arbitrary<SnapshotRequest> = fc.oneof(
  fc.record({
    kind: fc.constant("offer" as const),
    offer: fc.record({
      id,
      term: fc.nat().map(toTerm),
      position: place,
      sizeBytes: count,
      chunkBytes: fc.integer({ min: 1 }),
      force: fc.boolean(),
      config: fc.oneof(
        fc.constant(null),
        fc.record({ index: fc.nat(), voters: fc.array(fc.string()) }),
      ),
    }),
  }),
  fc.record({
    kind: fc.constant("chunk" as const),
    id,
    index: count,
    crc,
    sum: crc,
    bytes: fc.uint8Array({ maxLength: 100 }),
  }),
  fc.record({
    kind: fc.constant("finish" as const),
    id,
    sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  }),
  fc.record({ kind: fc.constant("abort" as const), id }),
);
const reply: fc.Arbitrary<SnapshotReply> = fc.oneof(
  fc.record({ kind: fc.constant("ack" as const), id, next: count }),
  fc.record({
    kind: fc.constant("resend" as const),
    id,
    next: count,
    reason: fc.constantFrom("gap" as const, "corrupt" as const),
  }),
  fc.record({ kind: fc.constantFrom("installing" as const, "installed" as const), id }),
  fc.record({
    kind: fc.constant("refuse" as const),
    id,
    reason: fc.constantFrom(...REFUSALS),
    term: fc.nat().map(toTerm),
    index: fc.nat().map(toLogIndex),
  }),
);

const plain = (value: SnapshotRequest) =>
  value.kind === "chunk" ? { ...value, bytes: Buffer.from(value.bytes).toString("hex") } : value;

function refusedField(read: () => unknown): string | undefined {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ReplicationError);
    expect((error as ReplicationError).code).toBe("INVALID");
    return (error as ReplicationError).details.field;
  }
  return undefined;
}

type Payload = { readonly [key: string]: PeerPayload };
const requestOf = (payload: Payload) =>
  requestFromPeer({ type: MessageType.installSnapshot, payload });
const replyOf = (payload: Payload) =>
  replyFromPeer({ type: MessageType.installSnapshotResponse, payload });

describe("messages of a transfer", () => {
  it("SX-16 come back equal from the wire", () => {
    fc.assert(
      fc.property(request, (value) => {
        expect(plain(requestFromPeer(cross(requestToPeer(value))))).toEqual(plain(value));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(reply, (value) => {
        expect(replyFromPeer(cross(replyToPeer(value)))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it("SX-16 are refused by the name of each field that is missing or wrong (FC-138)", () => {
    const wrongs = [undefined, {}, [], "", "x\n", -1, 1.5, 2 ** 53, new Uint8Array(0)];
    const check = (payload: PeerPayload, read: (payload: Payload) => unknown) => {
      for (const name of Object.keys(payload as Payload)) {
        const { [name]: _, ...without } = payload as Payload;
        for (const wrong of wrongs) {
          const anyJson = name === "config" && wrong !== undefined;
          const empty = name === "data" && wrong instanceof Uint8Array;
          if ((anyJson && !(wrong instanceof Uint8Array)) || empty) continue;
          const changed = wrong === undefined ? without : { ...without, [name]: wrong };
          const field = refusedField(() => read(changed));
          expect(field, name).toContain(`.${name}`);
        }
      }
    };
    for (const value of fc.sample(request, { seed: 3, numRuns: 60 })) {
      check(requestToPeer(value).payload, requestOf);
    }
    for (const value of fc.sample(reply, { seed: 3, numRuns: 60 })) {
      check(replyToPeer(value).payload, replyOf);
    }
  });

  it("SX-16 of another code, with impossible places, lengths or sums, are refused", () => {
    const [offer] = fc.sample(request, { seed: 1, numRuns: 40 }).filter(isOffer);
    const good = requestToPeer(offer as SnapshotRequest).payload as Payload;
    const field = (more: Payload) => refusedField(() => requestOf({ ...good, ...more }));
    expect(field({})).toBe(undefined);
    expect(field({ chunkBytes: 0 })).toBe("snapshot_offer.chunkBytes");
    expect(field({ position: { index: 0, term: 1 } })).toBe("snapshot_offer.position");
    expect(field({ config: "x".repeat(CONFIG_BYTES_MAX - 2) })).toBe(undefined);
    expect(field({ config: "x".repeat(CONFIG_BYTES_MAX - 1) })).toBe("snapshot_offer.config");
    expect(field({ id: "x".repeat(129) })).toBe("snapshot_offer.id");
    const chunk = { kind: "chunk", id: "a", index: 0, sum: 0, data: new Uint8Array(1) };
    expect(refusedField(() => requestOf({ ...chunk, crc: 2 ** 32 }))).toBe("snapshot_request.crc");
    expect(refusedField(() => requestFromPeer({ type: 29, payload: good }))).toBe("type");
    expect(refusedField(() => replyFromPeer({ type: 28, payload: good }))).toBe("type");
    expect(refusedField(() => requestFromPeer({ type: 28, payload: null }))).toBe(
      "snapshot_request",
    );
  });
});

function isOffer(value: SnapshotRequest): boolean {
  return value.kind === "offer";
}

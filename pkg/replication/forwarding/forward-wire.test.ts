import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LogIndex, Term } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import { MessageType, type PeerPayload } from "../ports/index.js";
import { DURABILITIES } from "../replicator.js";
import { answersMessage, answersOf, forwardedWrites, forwardMessage } from "./forward-wire.js";

const write = fc.record(
  {
    payload: fc.uint8Array({ minLength: 1, maxLength: 200 }),
    durability: fc.constantFrom(...DURABILITIES),
  },
  { requiredKeys: ["payload"] },
);

describe("writes on the wire", () => {
  it("FW-1 arrive as they were sent, with what they ask for", () => {
    fc.assert(
      fc.property(fc.array(write, { maxLength: 40 }), (writes) => {
        const message = forwardMessage(writes);
        expect(message.type).toBe(MessageType.forward);
        const arrived = forwardedWrites(message.payload);
        const plain = (list: typeof writes) =>
          list.map(({ payload, durability }) => [Buffer.from(payload).toString("hex"), durability]);
        expect(plain(arrived as typeof writes)).toEqual(plain(writes));
      }),
    );
  });

  it("FW-1 carry nothing for writes that ask for nothing", () => {
    const { payload } = forwardMessage([{ payload: new Uint8Array([1]) }]);
    expect(payload).not.toHaveProperty("wants");
  });

  it("FW-1 their answers arrive as they were given", () => {
    const index = 7 as LogIndex;
    const answers = [
      {
        result: { index, replayed: true, ok: true as const, value: [{ id: "a" }] },
        term: 3 as Term,
        durability: "persisted" as const,
      },
      { refused: new ReplicationError("NO_STANDBY", "none is there") },
    ];
    const arrived = answersOf(answersMessage(answers));
    expect(arrived[0]).toEqual(answers[0]);
    expect(arrived[1]).toMatchObject({ refused: { code: "NO_STANDBY", message: "none is there" } });
  });

  const good = { ends: [1, 3], data: new Uint8Array(3) };
  it.each<[string, PeerPayload, RegExp]>([
    ["ends that go back", { ...good, ends: [2, 1] }, /ends/],
    ["ends short of the data", { ...good, ends: [1, 2] }, /ends/],
    ["wants of no write", { ...good, wants: [[2, "local"]] }, /wants/],
    ["wants of no place", { ...good, wants: [["0", "local"]] }, /wants/],
    ["wants of no durability", { ...good, wants: [[0, "everywhere"]] }, /wants/],
    ["wants that are no pairs", { ...good, wants: ["local"] }, /wants/],
    ["more wants than writes", { ...good, wants: Array(3).fill([0, "local"]) }, /wants/],
  ])("FW-2 %s are refused by field", (_, payload, field) => {
    expect(() => forwardedWrites(payload)).toThrow(field);
    expect(() => forwardedWrites(payload)).toThrow(ReplicationError);
  });
});

import { expect, test } from "vitest";
import { type LogIndex, toLogIndex } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import { EU, US } from "./core/testing.js";
import { Founding } from "./founding.js";

test("MR-43 settings that are refused at once are written at a later look, not at once again", () => {
  let asked = 0;
  let looks = 0;
  const founding = new Founding({
    settings: { self: EU, others: [US], strategy: "manual", driftMsMax: 0 },
    objection: async () => undefined,
    input: () => {},
    answer: () => {},
    propose: (_operation, done) => {
      asked += 1;
      done({ ok: false, error: new ReplicationError("NO_LEADER", "somebody else leads") });
    },
    applied: (): LogIndex => toLogIndex(1),
    lookAgain: () => {
      looks += 1;
    },
    note: () => {},
  });
  const others = {
    self: EU,
    others: [],
    strategy: "manual",
    driftMsMax: 0,
    have: new Map(),
    floor: new Map(),
    known: new Map(),
    lost: new Set<typeof EU>(),
    clockMs: 0,
  };
  founding.follow({ leads: true, serves: true });
  expect(looks).toBe(1);
  founding.seen(others, toLogIndex(1));
  expect([asked, looks, founding.isOpen]).toEqual([1, 1, false]);
  founding.seen(others, toLogIndex(1));
  expect([asked, looks]).toEqual([2, 1]);
});

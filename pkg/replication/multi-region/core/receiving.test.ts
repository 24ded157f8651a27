import { expect, test } from "vitest";
import { AP, Driven, kinds, runOf, US, vector } from "./testing.js";

/** A leader that contains so much. */
function leader(have: Readonly<Record<string, number>> = {}): Driven {
  return Driven.streaming(have);
}

const result = (have: Readonly<Record<string, number>>) =>
  ({ ok: true, have: vector(have), stopped: null, clockAheadMs: 0 }) as const;

function ticketOf(effects: ReturnType<Driven["request"]>): number {
  const proposal = effects.find(({ kind }) => kind === "propose");
  return proposal?.kind === "propose" ? proposal.ticket : 0;
}

test("MR-30 a node that does not lead says who does", () => {
  const node = new Driven();
  node.lead();
  node.lead(false);
  expect(node.request({ runs: [runOf(US, 1, 1)] })).toEqual([
    { kind: "answer", call: 1, answer: { kind: "not_leader", leader: "there" } },
  ]);
});

test("MR-30 a leader that is one no more answers that it does not know what became of it", () => {
  const node = leader();
  const ticket = ticketOf(node.request({ runs: [runOf(US, 1, 2)], contains: vector({ us: 2 }) }));
  expect(node.lead(false)).toEqual([{ kind: "answer", call: 1, answer: { kind: "failed" } }]);
  expect(node.input({ kind: "proposed", ticket, outcome: result({ us: 2 }) })).toEqual([]);
});

test("MR-33 what begins at the end of what is here or under way is taken, and of that what is new", () => {
  const node = leader({ us: 2 });
  const contains = vector({ us: 9 });
  expect(node.request({ runs: [runOf(US, 1, 4)], contains })).toMatchObject([
    { operation: { op: "receive", from: US, upTo: 9, contains, texts: ["us3", "us4"] } },
  ]);
  expect(node.request({ runs: [runOf(US, 4, 6)], contains }, 2)).toMatchObject([
    { operation: { texts: ["us5", "us6"] } },
  ]);
  expect(node.request({ runs: [runOf(US, 3, 6)], contains }, 3)).toMatchObject([
    { call: 3, answer: { kind: "busy" } },
  ]);
  expect(node.request({ runs: [runOf(US, 7, 7)], contains }, 4)).toMatchObject([
    { call: 4, answer: { kind: "busy" } },
  ]);
});

test("MR-33 behind a gap nothing is written, and what is missing is named", () => {
  const node = leader({ us: 2 });
  expect(node.request({ runs: [runOf(US, 4, 5)] })).toEqual([
    {
      kind: "answer",
      call: 1,
      answer: { kind: "gap", have: vector({ us: 2 }), missing: vector({ us: 3 }) },
    },
  ]);
  expect(node.request({ runs: [runOf(AP, 1, 2), runOf(US, 3, 3)] }, 2)).toMatchObject([
    { operation: { texts: ["ap1", "ap2", "us3"] } },
  ]);
});

test("MR-33 what is here already costs no entry", () => {
  const node = leader({ us: 4 });
  expect(node.request({ runs: [runOf(US, 1, 4)] })).toEqual([
    { kind: "answer", call: 1, answer: { kind: "taken", have: vector({ us: 4 }), learned: true } },
  ]);
});

test("MR-34 the answer says what the state contains, and comes once it does", () => {
  const node = leader();
  const message = { runs: [runOf(US, 1, 2)], contains: vector({ us: 2 }) };
  const first = ticketOf(node.request(message));
  const second = ticketOf(node.request({ ...message, runs: [runOf(US, 3, 3)] }, 2));
  expect(node.input({ kind: "proposed", ticket: first, outcome: result({ us: 2 }) })).toEqual([
    { kind: "answer", call: 1, answer: { kind: "taken", have: vector({ us: 2 }), learned: true } },
  ]);
  expect(node.input({ kind: "proposed", ticket: second, outcome: { ok: false } })).toEqual([
    { kind: "answer", call: 2, answer: { kind: "failed" } },
  ]);
  expect(node.request({ ...message, runs: [runOf(US, 1, 1)] }, 3)).toMatchObject([
    { kind: "propose", operation: { texts: ["us1"] } },
  ]);
});

test("MR-34 where something is missing first the answer names it, and a clock that is ahead is reported", () => {
  const node = leader();
  const ticket = ticketOf(node.request({ runs: [runOf(US, 1, 2)] }));
  const stopped = { outcome: "early", missing: vector({ ap: 3 }) };
  const outcome = { ok: true, have: vector({ us: 1 }), stopped, clockAheadMs: 5_000 } as const;
  expect(node.input({ kind: "proposed", ticket, outcome })).toMatchObject([
    { kind: "note", event: "region_clock_ahead", reason: "its clock is 5000 ms ahead" },
    { answer: { kind: "early", have: vector({ us: 1 }), missing: vector({ ap: 3 }) } },
  ]);
});

test("MR-36 what another region contains is worth one entry, once its changes are here, not often", () => {
  const node = leader({ us: 2, eu: 5 });
  node.see({ known: new Map([[US, vector({ us: 2, eu: 5 })]]) });
  node.ticks(3);
  expect(node.request({ contains: vector({ us: 3, eu: 6 }) })).toMatchObject([
    { answer: { kind: "taken", learned: false } },
  ]);
  const contains = vector({ us: 2, eu: 6 });
  const ticket = ticketOf(node.request({ contains }, 2));
  expect(kinds(node.input({ kind: "proposed", ticket, outcome: result({ us: 2 }) }))).toEqual([
    "answer",
  ]);
  expect(kinds(node.request({ contains }, 3))).toEqual(["answer"]);
  node.ticks(3);
  expect(kinds(node.request({ contains }, 4))).toEqual(["propose"]);
});

test("MR-9 a region that nobody knows, or that was given up, is refused", () => {
  const node = leader();
  node.see({ lost: new Set([US]) });
  expect(node.request({ from: AP })).toMatchObject([
    { answer: { kind: "refused", reason: "stranger" } },
  ]);
  expect(node.request({ from: US })).toMatchObject([
    { answer: { kind: "refused", reason: "lost" } },
  ]);
});

import { expect, test } from "vitest";
import type { RequestId } from "../../../base/index.js";
import { AP, Driven, EU, kinds, OPTIONS, runOf, sent, US, vector } from "./testing.js";

test("MR-30 a node that does not lead sends nothing", () => {
  const node = new Driven();
  expect([...node.see({ have: vector({ eu: 9 }) }), ...node.ticks(20)]).toEqual([]);
});

test("MR-31 whoever begins to lead asks where the others are, and goes on from there (FC-114)", () => {
  const node = new Driven();
  node.see({ have: vector({ eu: 9 }) });
  const [question] = sent(node.lead());
  expect(question).toEqual({ from: EU, contains: vector({ eu: 9 }), runs: [] });
  expect(node.taken({ eu: 5 })).toMatchObject([
    { kind: "note", event: "region_reached" },
    { kind: "load", origin: EU, after: 5, countMax: 4 },
  ]);
  expect(sent(node.loaded())).toMatchObject([{ runs: [runOf(EU, 6, 9)] }]);
});

test("MR-31 after a gap everything behind it goes out again; after a failure it is asked first", () => {
  const node = Driven.streaming({});
  node.see({ have: vector({ eu: 8 }) });
  node.loaded();
  node.loaded();
  expect(node.state.senders.get(US)).toMatchObject({ next: 8 });
  node.reply({ kind: "gap", have: vector({ eu: 2 }), missing: vector({ eu: 2 }) });
  expect(node.state.senders.get(US)).toMatchObject({ next: 2, inFlight: [] });
  expect(node.ticks(1)).toMatchObject([{ kind: "load", after: 2 }]);
  node.loaded();
  const ticket = node.state.senders.get(US)?.inFlight[0]?.ticket as number;
  const effects = node.input({ kind: "unreachable", region: US, ticket });
  expect(kinds(effects)).toEqual(["region_unreachable", "retarget"]);
  expect(node.ticks(1)).toEqual([]);
  expect(sent(node.ticks(1))).toMatchObject([{ runs: [] }]);
  node.taken({ eu: 6 });
  expect(node.ticks(2)).toMatchObject([{ kind: "load", after: 6 }]);
});

test("MR-31 pauses grow while a region cannot be reached, up to a bound", () => {
  const node = new Driven();
  node.lead();
  const pauses: number[] = [];
  for (let failure = 0; failure < 5; failure += 1) {
    const ticket = node.state.senders.get(US)?.inFlight[0]?.ticket as number;
    node.input({ kind: "unreachable", region: US, ticket });
    let ticks = 1;
    while (sent(node.ticks(1)).length === 0) ticks += 1;
    pauses.push(ticks);
  }
  expect(pauses).toEqual([2, 4, 8, 8, 8]);
});

test("MR-31 another node is tried where one does not lead, the one that was named if there is one", () => {
  const node = new Driven();
  node.lead();
  expect(node.reply({ kind: "not_leader", leader: "us-2" })).toEqual([
    { kind: "retarget", region: US, leader: "us-2" },
  ]);
});

test("MR-31 one that is reached after a long time is asked again soon, should it not lead", () => {
  const node = new Driven();
  node.lead();
  for (let failure = 0; failure < 5; failure += 1) {
    const ticket = node.state.senders.get(US)?.inFlight[0]?.ticket as number;
    node.input({ kind: "unreachable", region: US, ticket });
    while (sent(node.ticks(1)).length === 0);
  }
  node.reply({ kind: "not_leader", leader: "us-2" });
  expect(node.ticks(1)).toEqual([]);
  expect(sent(node.ticks(1))).toMatchObject([{ runs: [] }]);
});

test("MR-31 what was read for a region counts for nothing if it says meanwhile that it has more", () => {
  const node = Driven.streaming({});
  node.see({ have: vector({ eu: 20 }) });
  const load = node.loaded().find(({ kind }) => kind === "load");
  const ticket = load?.kind === "load" ? load.ticket : 0;
  node.taken({ eu: 12 });
  const loaded = { kind: "loaded", region: US, ticket, run: runOf(EU, 5, 8) } as const;
  expect(sent(node.input(loaded))).toMatchObject([{ runs: [runOf(EU, 5, 8)] }]);
  expect(node.state.senders.get(US)).toMatchObject({ next: 12 });
});

test("MR-32 changes leave when they are enough or have waited, and no more than the window holds", () => {
  const node = Driven.streaming({});
  expect(node.see({ have: vector({ eu: 1 }) })).toEqual([]);
  expect(kinds(node.ticks(1))).toEqual([]);
  expect(kinds(node.ticks(1))).toEqual(["load"]);
  node.loaded();
  expect(kinds(node.see({ have: vector({ eu: 20 }) }))).toEqual(["load"]);
  expect(sent(node.loaded())).toMatchObject([{ runs: [runOf(EU, 2, 5)] }]);
  expect(node.ticks(1)).toEqual([]);
  expect(kinds(node.taken({ eu: 1 }))).toEqual(["load"]);
});

test("MR-32 what was read of a state that is newer than the view waits for it", () => {
  const node = Driven.streaming({});
  const effects = node.see({ have: vector({ eu: 3 }) });
  const ticket = effects[0]?.kind === "load" ? effects[0].ticket : 0;
  const loaded = { kind: "loaded", region: US, ticket, run: runOf(EU, 1, 9) } as const;
  expect(sent(node.input(loaded))).toMatchObject([
    { contains: vector({ eu: 3 }), runs: [runOf(EU, 1, 3)] },
  ]);
});

test("MR-35 a third region's changes are passed on once the receiver has waited for them", () => {
  const node = Driven.streaming({}, {}, [US, AP]);
  node.see({ have: vector({ eu: 1, ap: 7 }) });
  node.ticks(2);
  node.loaded();
  const early = { kind: "early", have: vector({ ap: 3 }), missing: vector({ ap: 6 }) } as const;
  node.reply(early);
  for (let wait = 0; wait < 2; wait += 1) {
    expect(kinds(node.ticks(2).filter(({ kind }) => kind === "load"))).toEqual(["load"]);
    node.loaded();
    node.reply(early);
  }
  const effects = node.ticks(2);
  expect(effects).toMatchObject([
    { event: "region_relayed" },
    { kind: "load", origin: AP, after: 3 },
  ]);
  expect(sent(node.loaded())).toMatchObject([{ from: EU, runs: [runOf(AP, 4, 7)] }]);
  expect(node.lag(US)).toMatchObject({ state: "waiting" });
  node.taken({ ap: 7 });
  expect(node.state.senders.get(US)?.held).toBeNull();
});

test("MR-35 that something is missing is heard also when what went out behind it was answered first", () => {
  const node = Driven.streaming({}, {}, [US, AP]);
  node.see({ have: vector({ eu: 8, ap: 7 }) });
  node.loaded();
  node.loaded();
  const first = node.state.senders.get(US)?.inFlight[0]?.ticket as number;
  const second = node.state.senders.get(US)?.inFlight[1]?.ticket as number;
  const have = vector({ ap: 3 });
  const reply = (ticket: number, answer: object) =>
    node.input({ kind: "reply", region: US, ticket, answer } as never);
  reply(second, { kind: "gap", have, missing: vector({ eu: 4 }) });
  reply(first, { kind: "early", have, missing: vector({ ap: 6 }) });
  expect(node.lag(US)).toMatchObject({ state: "waiting" });
  expect(kinds(node.ticks(2))).toEqual(["load"]);
  node.loaded();
  expect(node.ticks(3)).toEqual([]);
  node.reply({ kind: "busy", have });
  expect(node.ticks(1)).toMatchObject([
    { event: "region_relayed" },
    { kind: "load", origin: AP, after: 3 },
  ]);
});

test("MR-35 what is here of a region that was given up is passed on to who lacks it, unasked", () => {
  const node = Driven.streaming({ ap: 2 }, {}, [US, AP]);
  expect(node.see({ have: vector({ ap: 6 }) })).toEqual([]);
  expect(node.see({ lost: new Set([AP]) })).toMatchObject([
    { event: "region_relayed" },
    { kind: "load", origin: AP, after: 2 },
  ]);
  expect(sent(node.loaded())).toMatchObject([{ from: EU, runs: [runOf(AP, 3, 6)] }]);
  expect(node.ticks(1)).toEqual([]);
  expect(node.taken({ ap: 6 })).toEqual([]);
});

test("MR-36 what is contained is told once, not often, and then there is silence (FC-113)", () => {
  const node = Driven.streaming({});
  node.see({ have: vector({ us: 4 }) });
  expect(sent(node.ticks(2))).toEqual([]);
  expect(sent(node.ticks(1))).toMatchObject([{ contains: vector({ us: 4 }), runs: [] }]);
  node.taken({ us: 4 }, false);
  expect(sent(node.ticks(2))).toEqual([]);
  expect(sent(node.ticks(1))).toHaveLength(1);
  node.taken({ us: 4 }, true);
  expect(node.ticks(100)).toEqual([]);
});

test("MR-37 what is not kept is not left out: the region is asked until it has a copy (FC-121)", () => {
  const node = new Driven();
  node.see({ have: vector({ eu: 9 }), floor: vector({ eu: 5 }) });
  node.lead();
  const [, load] = node.taken({ eu: 2 });
  const ticket = load?.kind === "load" ? load.ticket : 0;
  expect(kinds(node.input({ kind: "not_kept", region: US, ticket }))).toEqual([
    "region_needs_copy",
  ]);
  expect(node.lag()).toMatchObject({ state: "needs_copy", entries: 9 });
  expect(sent(node.ticks(2))).toMatchObject([{ runs: [] }]);
  expect(kinds(node.taken({ eu: 2 }))).toEqual([]);
  expect(sent(node.ticks(4))).toMatchObject([{ runs: [] }]);
  expect(kinds(node.taken({ eu: 7 }))).toEqual(["region_reached"]);
  expect(kinds(node.ticks(2))).toEqual(["load"]);
});

test("MR-37 a region that contains more of ours than there is gets nothing", () => {
  const node = new Driven();
  node.see({ have: vector({ eu: 3 }) });
  node.lead();
  expect(kinds(node.taken({ eu: 4 }))).toEqual(["region_is_ahead"]);
  node.see({ have: vector({ eu: 4 }) });
  expect(sent(node.ticks(2))).toMatchObject([{ runs: [] }]);
  expect(node.lag()).toMatchObject({ state: "refused" });
});

test("MR-38 a client is answered once another region contains the write, and told when that is not known", () => {
  const ask = (name: string, seq: number) =>
    ({ kind: "wait", request: name as RequestId, seq }) as const;
  const node = Driven.streaming({ eu: 2 });
  expect(node.input(ask("a", 2))).toEqual([{ kind: "release", request: "a", reached: true }]);
  node.see({ have: vector({ eu: 5 }) });
  node.loaded();
  node.input(ask("b", 4));
  node.input(ask("c", 5));
  expect(node.input(ask("d", 5))).toEqual([{ kind: "release", request: "d", reached: false }]);
  expect(node.taken({ eu: 4 })).toMatchObject([{ kind: "release", request: "b", reached: true }]);
  expect(node.lead(false)).toEqual([{ kind: "release", request: "c", reached: false }]);
  node.lead();
  node.input(ask("e", 9));
  node.input({ kind: "forsake", request: "e" as RequestId });
  expect(node.lead(false)).toEqual([]);
});

test("MR-39 how far a region is behind is told in changes and in time", () => {
  const node = Driven.streaming({});
  expect(node.lag()).toEqual({ entries: 0, ticks: 0, reason: null, state: "streaming" });
  node.see({ have: vector({ eu: 1 }) });
  node.ticks(4);
  node.see({ have: vector({ eu: 3 }) });
  node.ticks(3);
  expect(node.lag()).toEqual({ entries: 3, ticks: 7, reason: null, state: "streaming" });
  node.see({ known: new Map([[US, vector({ eu: 1 })]]) });
  expect(node.lag()).toEqual({ entries: 2, ticks: 3, reason: null, state: "streaming" });
});

test("MR-41 a region for which too much is kept is given up, if that is wanted", () => {
  const node = Driven.streaming({}, { keptChangesMax: 10 });
  expect(kinds(node.see({ have: vector({ eu: 10 }) }))).toEqual(["load"]);
  const effects = node.see({ have: vector({ eu: 11 }) });
  expect(effects).toMatchObject([
    { kind: "propose", operation: { op: "give_up", region: US } },
    { event: "region_given_up" },
  ]);
  expect(kinds(node.ticks(3))).toEqual([]);
  const ticket = node.state.givingUp as number;
  const refused = { kind: "proposed", ticket, outcome: { ok: false } } as const;
  expect(kinds(node.input(refused))).toEqual([]);
  expect(kinds(node.ticks(OPTIONS.backoffTicksMax))).toEqual(["propose", "region_given_up"]);
  node.see({ lost: new Set([US]) });
  expect(node.lag()).toMatchObject({ state: "given_up" });
  const never = Driven.streaming({});
  expect(kinds(never.see({ have: vector({ eu: 1_000_000 }) }))).toEqual(["load"]);
});

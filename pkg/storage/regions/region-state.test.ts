import { expect, test } from "vitest";
import { type JsonValue, parseRegionId, type RegionId } from "../../base/index.js";
import type { Change } from "./change.js";
import { changeText, parseChange } from "./change-text.js";
import type { Image, Strategy } from "./decide.js";
import { MemoryThings } from "./memory-things.js";
import { RegionState } from "./region-state.js";
import { type Choice, resolveConflict } from "./resolve-conflict.js";
import { REGION_RULES } from "./rules.js";
import { type ThingWrite, writeBetween } from "./write-change.js";

const [EU, US, AP] = ["eu", "us", "ap"].map((name) => parseRegionId(name)) as [
  RegionId,
  RegionId,
  RegionId,
];
const HOUR_MS = 3_600_000;

function region(self: RegionId, strategy: Strategy = "last_write_wins", all = [EU, US]) {
  const others = all.filter((other) => other !== self);
  const options = { self, others, strategy, driftMsMax: 1_000, closedConflictsMax: 100 };
  return new RegionState(options, new MemoryThings(), REGION_RULES);
}

const pair = (strategy?: Strategy) => [region(EU, strategy), region(US, strategy)] as const;
const properties = (values: Record<string, JsonValue | undefined>): ThingWrite["properties"] =>
  new Map(Object.entries(values));
const set = (key: string, values: Record<string, JsonValue | undefined>): ThingWrite => ({
  key,
  life: true,
  properties: properties(values),
});
const add = (key: string, name: string, by: number): ThingWrite => ({
  key,
  life: true,
  increments: new Map([[name, by]]),
});
const remove = (key: string): ThingWrite => ({ key, life: false });
const edge = (id: string, from: string, to: string): ThingWrite =>
  writeBetween(`e:${id}`, undefined, {
    labels: [],
    properties: {},
    shape: { from, to, type: "KNOWS" },
  });
const shownBy = (state: RegionState, key: string, name: string) =>
  (state.image(key) as Image | undefined)?.properties[name];

/** Both are told what the other did. */
function exchange(a: RegionState, fromA: Change, b: RegionState, fromB: Change, atMs = 5): void {
  expect(b.receive(fromA, atMs).outcome).toBe("applied");
  expect(a.receive(fromB, atMs).outcome).toBe("applied");
}

/** Both have the node, with `x` at 0. */
function shared(strategy?: Strategy) {
  const [eu, us] = pair(strategy);
  us.receive(eu.write([set("n:a", { x: 0 })], 1), 1);
  return [eu, us] as const;
}

test("MR-1 a clock that went on from what was stored does not go back (FC-111)", () => {
  const before = region(EU);
  const first = before.write([set("n:a", { x: 1 })], 9_000);
  const after = region(EU);
  after.load(before.meta);
  const second = after.write([set("n:a", { x: 2 })], 4_000);
  expect([second.ms, second.counter]).toEqual([9_000, 1]);
  expect([second.seq, first.seq]).toEqual([2, 1]);
});

test("MR-3 a region an hour ahead is reported; who knows its writes still overwrites them", () => {
  const [eu, us] = shared();
  const ahead = eu.write([set("n:a", { x: "future" })], HOUR_MS);
  expect(us.receive(ahead, 10)).toEqual({ outcome: "applied", clockAheadMs: HOUR_MS - 10 });
  const next = us.write([set("n:a", { x: "now" })], 20);
  expect(next.ms).toBe(20);
  expect(shownBy(us, "n:a", "x")).toBe("now");
  eu.receive(next, 30);
  expect(shownBy(eu, "n:a", "x")).toBe("now");
  expect([...eu.conflicts(), ...us.conflicts()]).toEqual([]);
});

test("MR-3 after the clock is right again, a write that loses to the future is listed", () => {
  const [eu, us] = shared();
  const ahead = eu.write([set("n:a", { x: "future" })], HOUR_MS);
  const later = us.write([set("n:a", { x: "later" })], 40);
  exchange(eu, ahead, us, later);
  for (const state of [eu, us]) {
    expect(shownBy(state, "n:a", "x")).toBe("future");
    expect(state.conflicts()).toMatchObject([
      { winner: { origin: EU, value: "future" }, losers: [{ origin: US, value: "later" }] },
    ]);
  }
});

test.each([
  ["last_write_wins", "late"],
  ["first_write_wins", "early"],
  ["manual", "late"],
] as const)("MR-5 %s lets the %s version count, and lists the other (FC-119)", (strategy, wins) => {
  const [eu, us] = shared(strategy);
  const early = eu.write([set("n:a", { x: "early" })], 10);
  const late = us.write([set("n:a", { x: "late" })], 11);
  exchange(eu, early, us, late);
  const side = { early: { origin: EU, seq: 2 }, late: { origin: US, seq: 1 } };
  const loses = wins === "late" ? "early" : "late";
  for (const state of [eu, us]) {
    expect(shownBy(state, "n:a", "x")).toBe(wins);
    expect(state.conflicts()).toMatchObject([
      {
        id: "n:a/property:x/eu:2,us:1",
        kind: "value",
        winner: { ...side[wins], value: wins },
        losers: [{ ...side[loses], value: loses }],
      },
    ]);
  }
});

test("MR-5 different properties, and equal values, are no conflict", () => {
  const [eu, us] = shared();
  const a = eu.write([set("n:a", { y: 1, z: { k: [1] } })], 10);
  const b = us.write([set("n:a", { x: 2, z: { k: [1] } })], 10);
  exchange(eu, a, us, b);
  expect(eu.image("n:a")).toEqual({ labels: [], properties: { x: 2, y: 1, z: { k: [1] } } });
  expect(eu.conflicts()).toEqual([]);
});

test("MR-5 a resolver makes one value of all versions; if it throws the latest counts", () => {
  const joined: Strategy = { resolve: ({ versions }) => versions.map(({ value }) => value) };
  const broken: Strategy = {
    resolve: () => {
      throw new Error("no idea");
    },
  };
  for (const [strategy, expected] of [
    [joined, ["e", "u"]],
    [broken, "u"],
  ] as const) {
    const [eu, us] = shared(strategy);
    exchange(eu, eu.write([set("n:a", { x: "e" })], 8), us, us.write([set("n:a", { x: "u" })], 9));
    expect(shownBy(eu, "n:a", "x")).toEqual(expected);
    expect(shownBy(us, "n:a", "x")).toEqual(expected);
    expect(eu.conflicts()).toHaveLength(1);
  }
});

test("MR-6 a label that one region adds while another takes it away stays", () => {
  const [eu, us] = pair();
  us.receive(eu.write([{ key: "n:a", life: true, labels: new Map([["L", true]]) }], 1), 1);
  const away = eu.write([{ key: "n:a", life: true, labels: new Map([["L", false]]) }], 9);
  const again = us.write([{ key: "n:a", life: true, labels: new Map([["L", true]]) }], 2);
  exchange(eu, away, us, again);
  for (const state of [eu, us]) expect(state.image("n:a")?.labels).toEqual(["L"]);
});

test("MR-6 increments of all regions add up, on top of whatever value counts (FC-116)", () => {
  const [eu, us] = shared();
  exchange(eu, eu.write([add("n:a", "x", 3)], 2), us, us.write([add("n:a", "x", 4)], 2));
  expect([shownBy(eu, "n:a", "x"), shownBy(us, "n:a", "x")]).toEqual([7, 7]);
  exchange(eu, eu.write([set("n:a", { x: 100 })], 3), us, us.write([add("n:a", "x", 1)], 3));
  expect([shownBy(eu, "n:a", "x"), shownBy(us, "n:a", "x")]).toEqual([101, 101]);
  expect(eu.conflicts()).toEqual([]);
});

test("MR-6 increments of what another region made into a text are listed", () => {
  const [eu, us] = shared();
  exchange(eu, eu.write([add("n:a", "x", 3)], 2), us, us.write([set("n:a", { x: "text" })], 2));
  for (const state of [eu, us]) {
    expect(shownBy(state, "n:a", "x")).toBe("text");
    expect(state.conflicts()).toMatchObject([
      { kind: "increment", winner: { value: "text" }, losers: [{ origin: EU, value: 3 }] },
    ]);
  }
});

test("MR-9 what a region made itself, or a stranger did, is refused (FC-113)", () => {
  const [eu, us] = pair();
  const change = eu.write([set("n:a", { x: 1 })], 1);
  expect(eu.receive(change, 1)).toEqual({ outcome: "echo" });
  expect(us.receive({ ...change, origin: AP }, 1)).toEqual({ outcome: "stranger" });
  expect(us.image("n:a")).toBeUndefined();
});

test("MR-10 a change is taken once, and none is left out (FC-114)", () => {
  const [eu, us] = pair();
  const [first, second] = [1, 2].map((x) => eu.write([set("n:a", { x })], x)) as [Change, Change];
  expect(us.receive(second, 1)).toEqual({ outcome: "gap", missing: new Map([[EU, 1]]) });
  expect(us.receive(first, 1).outcome).toBe("applied");
  expect(us.receive(first, 1)).toEqual({ outcome: "known" });
  expect(us.receive(second, 1).outcome).toBe("applied");
  expect(shownBy(us, "n:a", "x")).toBe(2);
});

test("MR-11 a change waits for what its writer knew, and is taken whole (FC-117)", () => {
  const all = [EU, US, AP];
  const [eu, us, ap] = all.map((self) => region(self, "last_write_wins", all));
  const nodes = eu!.write([set("n:a", {}), set("n:b", {})], 1);
  us!.receive(nodes, 1);
  const between = us!.write([edge("e", "a", "b"), set("n:a", { x: 1 })], 2);
  expect(ap!.receive(between, 3)).toEqual({ outcome: "early", missing: new Map([[EU, 1]]) });
  expect([ap!.image("n:a"), ap!.image("e:e")]).toEqual([undefined, undefined]);
  ap!.receive(nodes, 3);
  expect(ap!.receive(between, 3).outcome).toBe("applied");
  expect(ap!.image("e:e")).toBeDefined();
  expect(shownBy(ap!, "n:a", "x")).toBe(1);
});

test("MR-12 an update against a deletion goes by the strategy, and nothing of it is lost", () => {
  for (const [deletedMs, updatedMs] of [
    [10, 20],
    [20, 10],
  ] as const) {
    const [eu, us] = shared();
    const deletion = eu.write([remove("n:a")], deletedMs);
    const update = us.write([set("n:a", { y: 5 })], updatedMs);
    exchange(eu, deletion, us, update);
    const image = { labels: [], properties: { x: 0, y: 5 } };
    for (const state of [eu, us]) {
      const wins = updatedMs > deletedMs;
      expect(state.image("n:a")).toEqual(wins ? image : undefined);
      const [conflict] = state.conflicts();
      expect(conflict).toMatchObject({ kind: "update_delete", field: "life" });
      const sides = [conflict?.winner, ...(conflict?.losers ?? [])];
      expect(sides.find(({ origin } = sides[0]!) => origin === US)?.value).toEqual(image);
    }
  }
});

test("MR-12 what is made again after a deletion is new, and has a later stamp (FC-112)", () => {
  const [eu, us] = shared();
  us.receive(eu.write([remove("n:a")], 9_000), 9_000);
  const again = us.write([set("n:a", { y: 1 })], 10);
  expect(again.ms).toBe(9_000);
  eu.receive(again, 9_000);
  for (const state of [eu, us]) {
    expect(state.image("n:a")).toEqual({ labels: [], properties: { y: 1 } });
    expect(state.conflicts()).toEqual([]);
  }
});

test("MR-13 an edge to a node deleted elsewhere is hidden, listed, and back with the node (FC-122)", () => {
  const [eu, us] = shared();
  us.receive(eu.write([set("n:b", {})], 2), 2);
  const deletion = eu.write([remove("n:b")], 3);
  exchange(eu, deletion, us, us.write([edge("e", "a", "b")], 99));
  for (const state of [eu, us]) {
    expect([state.image("n:b"), state.image("e:e")]).toEqual([undefined, undefined]);
    expect(state.conflicts()).toMatchObject([
      {
        kind: "edge_end",
        field: "end:b",
        winner: { origin: EU },
        losers: [{ origin: US, value: { shape: { from: "a", to: "b", type: "KNOWS" } } }],
      },
    ]);
  }
  eu.receive(us.write([set("n:b", {})], 100), 100);
  for (const state of [eu, us]) {
    expect(state.image("e:e")).toBeDefined();
    expect(state.conflicts()).toEqual([]);
  }
});

test("MR-14 a tombstone goes once every region is known to have it, not before", () => {
  const all = [EU, US, AP];
  const [eu, us, ap] = all.map((self) => region(self, "last_write_wins", all)) as [
    RegionState,
    RegionState,
    RegionState,
  ];
  for (const change of [eu.write([set("n:a", {})], 1), eu.write([remove("n:a")], 2)]) {
    us.receive(change, 2);
    ap.receive(change, 2);
  }
  expect(eu.forget(HOUR_MS)).toBe(0);
  expect(eu.learn(US, 0, us.meta.have)).toBe(true);
  expect(eu.forget(HOUR_MS)).toBe(0);
  const unseen = ap.write([set("n:c", {})], 3);
  expect(eu.learn(AP, 1, ap.meta.have)).toBe(false);
  expect(eu.forget(HOUR_MS)).toBe(0);
  eu.receive(unseen, 3);
  expect(eu.learn(AP, 1, ap.meta.have)).toBe(true);
  expect(eu.forget(1)).toBe(0);
  expect(eu.forget(HOUR_MS)).toBe(1);
});

test("MR-14 a tombstone that is in conflict, or that an edge hangs on, stays", () => {
  const [eu, us] = shared();
  us.receive(eu.write([set("n:b", {}), set("n:c", {})], 2), 2);
  const deletion = eu.write([remove("n:a"), remove("n:b")], 3);
  const writes = us.write([set("n:a", { x: 1 }), edge("e", "b", "c")], 2);
  exchange(eu, deletion, us, writes);
  eu.learn(US, 1, us.meta.have);
  expect(eu.forget(HOUR_MS)).toBe(0);
  expect(eu.conflicts()).toHaveLength(2);
});

test("MR-15 tombstones wait for a region that was given up: what it wrote before may still come", () => {
  const [eu, us] = shared();
  const old = us.write([set("n:a", { x: 7 })], 1);
  const deletion = eu.write([remove("n:a")], 2);
  eu.giveUp(US);
  expect(eu.stable().get(EU)).toBe(2);
  expect(eu.forget(HOUR_MS)).toBe(0);
  exchange(eu, deletion, us, old);
  for (const state of [eu, us]) {
    expect(state.image("n:a")).toBeUndefined();
    expect(state.conflicts()).toMatchObject([{ kind: "update_delete" }]);
  }
});

const CHOICES: readonly (readonly [string, Choice, JsonValue])[] = [
  ["the winner", { keep: "winner" }, "late"],
  ["a loser", { keep: "loser", origin: "eu", seq: 2 }, "early"],
  ["something else", { value: 42 }, 42],
];

test.each(CHOICES)("MR-16 %s can be chosen, and counts in every region", (_, choice, expected) => {
  const [eu, us] = shared("manual");
  const early = eu.write([set("n:a", { x: "early" })], 10);
  exchange(eu, early, us, us.write([set("n:a", { x: "late" })], 11));
  const [conflict] = eu.conflicts();
  const write = resolveConflict(conflict!, choice);
  us.receive(eu.write([write!], 12, "resolved"), 12);
  for (const state of [eu, us]) {
    expect(shownBy(state, "n:a", "x")).toBe(expected);
    expect(state.conflicts()).toEqual([]);
    expect(state.meta.closed).toMatchObject([
      { by: { origin: EU, seq: 3 }, conflict: { id: conflict!.id, how: "resolved" } },
    ]);
  }
});

test("MR-16 a deletion is decided for the thing as it was or against it; other choices are none", () => {
  for (const isKept of [true, false]) {
    const [eu, us] = shared();
    const deletion = eu.write([remove("n:a")], 30);
    exchange(eu, deletion, us, us.write([set("n:a", { y: 5 })], 20));
    const [conflict] = eu.conflicts();
    expect(resolveConflict(conflict!, { value: 1 })).toBeUndefined();
    expect(resolveConflict(conflict!, { keep: "loser", origin: "ap", seq: 1 })).toBeUndefined();
    const choice: Choice = isKept ? { keep: "loser", origin: US, seq: 1 } : { keep: "winner" };
    us.receive(eu.write([resolveConflict(conflict!, choice)!], 40, "resolved"), 40);
    for (const state of [eu, us]) {
      const image = { labels: [], properties: { x: 0, y: 5 } };
      expect(state.image("n:a")).toEqual(isKept ? image : undefined);
      expect(state.conflicts()).toEqual([]);
    }
  }
});

test("MR-17 a change says the same after it was sent; one that makes no sense is INVALID", () => {
  const [eu] = shared();
  eu.write([add("n:a", "x", 2)], 3);
  const writes = [set("n:a", { x: 1, __proto__x: null, y: undefined }), remove("n:b")];
  const change = eu.write([...writes, edge("e", "a", "a"), add("n:c", "k", -1)], 4);
  const data = JSON.parse(changeText(change));
  expect(parseChange(data)).toEqual(change);
  const wrong: readonly Record<string, unknown>[] = [
    { origin: "a b" },
    { seq: 0 },
    { seq: 2 ** 53 },
    { clock: [1.5, 0] },
    { clock: [1, 1_000_000] },
    { seen: [["eu", -1]] },
    { things: {} },
    { things: [{ key: "x:1", life: true }] },
    { things: [{ key: "n:1", life: 1 }] },
    { things: [{ key: "e:1", life: true, fresh: true }] },
    { things: [{ key: "e:1", life: true, shape: { from: 1 } }] },
    { things: [{ key: "n:1", life: true, put: [["x"]] }] },
    { things: [{ key: "n:1", life: true, runs: [["x", ["eu", 1, 2, 3, 4, 0.5]]] }] },
    { closed: [{}] },
  ];
  for (const fields of wrong) {
    expect(() => parseChange({ ...data, ...fields }), JSON.stringify(fields)).toThrow(
      expect.objectContaining({ code: "INVALID" }),
    );
  }
  for (const nothing of [null, 1, [], "text"]) expect(() => parseChange(nothing)).toThrow();
});

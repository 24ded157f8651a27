import { describe, expect, it } from "vitest";
import { seededRandom } from "../seeded-random.js";
import { type CheckReport, checkLinearizability, HistoryError, type Operation } from "./index.js";
import { mutateHistory, randomHistory } from "./random-history.js";

type At = readonly [invokedAt: number, returnedAt: number];
const timed = ([invokedAt, returnedAt]: At, client = "c1") => ({
  key: "k",
  client,
  invokedAt,
  returnedAt,
});
const done = (version?: number) => ({ kind: "done", version }) as const;
const unknown = { kind: "unknown", reason: "COMMIT_UNKNOWN" } as const;
const refused = { kind: "refused", reason: "NOT_LEADER" } as const;
const mismatch = { kind: "mismatch" } as const;

const write = (at: At, value: string, outcome: (Operation & { call: "write" })["outcome"]) =>
  ({ call: "write", ...timed(at), value, outcome }) as const;
const read = (at: At, value: string | null, version?: number): Operation => ({
  call: "read",
  ...timed(at, "c2"),
  outcome: value === null ? { kind: "absent" } : { kind: "value", value, version },
});
const cas = (
  at: At,
  expect: (Operation & { call: "cas" })["expect"],
  value: string | null,
  outcome: (Operation & { call: "cas" })["outcome"],
) => ({ call: "cas", ...timed(at, "c3"), expect, value, outcome }) as const;
const remove = (at: At, outcome: (Operation & { call: "delete" })["outcome"]) =>
  ({ call: "delete", ...timed(at, "c4"), outcome }) as const;

function check(...history: Operation[]): CheckReport {
  return checkLinearizability(history);
}

describe("histories that have an order", () => {
  const accepted: readonly [string, readonly Operation[]][] = [
    ["LN-1 no operation at all", []],
    ["LN-1 a read of what was written", [write([1, 2], "a", done()), read([3, 4], "a")]],
    [
      "LN-1 a read during a write sees the old or the new value",
      [
        write([1, 2], "a", done()),
        write([3, 9], "b", done()),
        read([4, 5], "a"),
        read([6, 7], "b"),
      ],
    ],
    [
      "LN-1 concurrent writes in the order that the reads show",
      [
        write([1, 9], "a", done()),
        write([2, 8], "b", done()),
        read([3, 4], "b"),
        read([5, 6], "a"),
      ],
    ],
    [
      "LN-3 an unknown write that appears late",
      [
        write([1, 2], "a", done()),
        write([3, 4], "b", unknown),
        read([5, 6], "a"),
        read([7, 8], "b"),
      ],
    ],
    [
      "LN-3 an unknown write that never appears",
      [write([1, 2], "a", done()), write([3, 4], "b", unknown), read([5, 6], "a")],
    ],
    [
      "LN-3 an unknown write that explains a mismatch",
      [
        write([1, 2], "a", done()),
        write([3, 4], "b", unknown),
        cas([5, 6], { value: "a" }, "c", mismatch),
      ],
    ],
    [
      "LN-3 an unknown delete that explains an absent read, then a write",
      [
        write([1, 2], "a", done()),
        remove([3, 4], unknown),
        read([5, 6], null),
        write([7, 8], "b", done()),
        read([9, 10], "b"),
      ],
    ],
    [
      "LN-4 a refused write and a failed read",
      [
        write([1, 2], "a", refused),
        read([3, 4], null),
        { call: "read", ...timed([5, 6]), outcome: { kind: "failed", reason: "NO_LEADER" } },
      ],
    ],
    [
      "LN-5 one of two racing compare-and-sets",
      [
        write([1, 2], "a", done()),
        cas([3, 6], { value: "a" }, "b", done()),
        cas([4, 5], { value: "a" }, "c", mismatch),
        read([7, 8], "b"),
      ],
    ],
    [
      "LN-6 versions grow over delete and create",
      [
        write([1, 2], "a", done(3)),
        remove([3, 4], done(5)),
        write([5, 6], "a", done(8)),
        read([7, 8], "a", 8),
      ],
    ],
    [
      "LN-6 an equal write keeps its version",
      [write([1, 2], "a", done(3)), write([3, 4], "a", done()), read([5, 6], "a", 3)],
    ],
    [
      "LN-1 a write and a delete in the order that lets the next find something",
      [
        write([1, 2], "p", done()),
        write([3, 5], "a", done()),
        remove([4, 6], done()),
        cas([7, 8], { exists: true }, "c", done()),
      ],
    ],
    [
      "LN-3 an unknown write that must not be used up too early",
      [
        write([1, 2], "w", unknown),
        write([3, 7], "w", done()),
        read([4, 5], "w"),
        write([8, 9], "z", done()),
        read([10, 11], "w"),
      ],
    ],
    ["LN-7 equal order numbers overlap", [write([1, 5], "a", done()), read([5, 6], null)]],
  ];
  it.each(accepted)("%s", (_, history) => {
    const report = checkLinearizability(history);
    expect(report.text).toBe(
      `linearizable: ${history.length} operations on ${history.length === 0 ? 0 : 1} keys`,
    );
    expect(report.verdict).toBe("linearizable");
  });
});

describe("histories that have none", () => {
  const refusedHistories: readonly [string, readonly Operation[], number][] = [
    [
      "LN-2 a stale read",
      [write([1, 2], "a", done()), write([3, 4], "b", done()), read([5, 6], "a")],
      3,
    ],
    [
      "LN-2 a lost update",
      [
        write([1, 2], "a", done()),
        write([3, 4], "b", done()),
        read([5, 6], "b"),
        read([7, 8], "a"),
        write([9, 10], "c", done()),
      ],
      3,
    ],
    [
      "LN-2 an acknowledged write that is gone",
      [write([1, 2], "a", done()), read([3, 4], null)],
      2,
    ],
    [
      "LN-2 two compare-and-sets that took the same value",
      [
        write([1, 2], "a", done()),
        cas([3, 6], { value: "a" }, "b", done()),
        cas([4, 5], { value: "a" }, "c", done()),
      ],
      2,
    ],
    [
      "LN-2 two compare-and-sets that took the same version",
      [
        write([1, 2], "a", done(7)),
        cas([3, 6], { version: 7 }, "b", done(8)),
        cas([4, 5], { version: 7 }, "c", done(9)),
      ],
      2,
    ],
    [
      "LN-2 two creations of the same key",
      [cas([1, 4], { exists: false }, "a", done()), cas([2, 3], { exists: false }, "b", done())],
      2,
    ],
    [
      "LN-2 a deleted value that is back",
      [write([1, 2], "a", done()), remove([3, 4], done()), read([5, 6], null), read([7, 8], "a")],
      3,
    ],
    [
      "LN-3 an unknown write that appears, then is gone",
      [
        write([1, 2], "a", done()),
        write([3, 4], "b", unknown),
        read([5, 6], "b"),
        read([7, 8], "a"),
      ],
      3,
    ],
    ["LN-2 a read from the future", [read([1, 2], "a"), write([3, 4], "a", done())], 1],
    [
      "LN-2 two clients that see two writes in different order",
      [
        write([1, 20], "a", done()),
        write([2, 21], "b", done()),
        read([3, 4], "a"),
        read([5, 6], "b"),
        read([7, 8], "a"),
      ],
      3,
    ],
    [
      "LN-2 reads that go back while the write is under way",
      [
        write([1, 2], "a", done()),
        write([3, 20], "b", done()),
        read([4, 5], "b"),
        read([6, 7], "a"),
      ],
      3,
    ],
    ["LN-2 a value that nobody wrote", [write([1, 2], "a", done()), read([3, 4], "z")], 1],
    ["LN-4 a refused write that appears", [write([1, 2], "a", refused), read([3, 4], "a")], 1],
    [
      "LN-4 a refused delete that happened",
      [write([1, 2], "a", done()), remove([3, 4], refused), read([5, 6], null)],
      2,
    ],
    [
      "LN-5 a mismatch though the condition held throughout",
      [write([1, 2], "a", done()), cas([3, 4], { value: "a" }, "b", mismatch)],
      2,
    ],
    [
      "LN-5 a compare-and-set that did not match and yet appears",
      [write([1, 2], "a", done()), cas([3, 4], { value: "x" }, "b", mismatch), read([5, 6], "b")],
      1,
    ],
    [
      "LN-5 a delete that says there was nothing",
      [write([1, 2], "a", done()), remove([3, 4], { kind: "done", existed: false })],
      2,
    ],
    [
      "LN-6 versions against the order of the writes",
      [write([1, 2], "a", done(9)), write([3, 4], "b", done(8))],
      2,
    ],
    [
      "LN-6 a version of another write",
      [write([1, 2], "a", done(3)), write([3, 4], "b", done(5)), read([5, 6], "b", 4)],
      2,
    ],
    [
      "LN-6 a version that a mismatch had ruled out",
      [
        write([1, 2], "a", done()),
        cas([3, 4], { version: 4 }, "c", mismatch),
        read([5, 6], "a", 4),
        write([20, 21], "a", done()),
      ],
      3,
    ],
    [
      "LN-6 a mismatch that leaves no version for the write before",
      [
        write([1, 2], "a", done()),
        cas([3, 4], { version: 1 }, "c", mismatch),
        write([5, 6], "b", done(2)),
      ],
      3,
    ],
    [
      "LN-6 two versions of one write",
      [write([1, 2], "a", done()), read([3, 4], "a", 4), read([5, 6], "a", 5)],
      2,
    ],
    [
      "LN-6 a version that leaves no room for the write between",
      [write([1, 2], "a", done(3)), write([3, 4], "b", done()), write([5, 6], "c", done(4))],
      3,
    ],
  ];
  it.each(refusedHistories)("%s", (_, history, coreSize) => {
    const report = checkLinearizability(history);
    expect(report.verdict).toBe("violation");
    expect(report.violated).toEqual(["k"]);
    expect(report.explanations[0]?.core, report.text).toHaveLength(coreSize);
  });

  it("LN-6 two acknowledged writes cannot share a version", () => {
    const report = check(
      write([1, 4], "a", done(5)),
      write([2, 3], "b", done(5)),
      read([5, 6], "b", 5),
    );
    expect(report.verdict).toBe("violation");
  });
});

describe("limits and refusals", () => {
  const crowd = (unique: boolean) =>
    Array.from({ length: 14 }, (_, i) =>
      write([1 + i, 100 + i], unique ? `v${i}` : `v${i % 7}`, done()),
    );

  it("LN-8 a key past its limit is undecided, and that is no pass", () => {
    const report = checkLinearizability([...crowd(false), read([200, 201], null)], {
      stepsPerKeyMax: 50,
    });
    expect(report.verdict).toBe("undecided");
    expect(report.undecided).toEqual(["k"]);
    expect(report.text).toContain("undecided keys (a limit was reached): k");
  });

  it("LN-8 the memory for dead ends is a limit, too", () => {
    const report = checkLinearizability([...crowd(false), read([200, 201], null)], {
      deadEndsPerKeyMax: 3,
    });
    expect(report.verdict).toBe("undecided");
  });

  it("LN-8 a violation of another key is reported beside it", () => {
    const other = { ...read([1, 2], "never written"), key: "other" };
    const report = checkLinearizability([...crowd(false), read([200, 201], null), other], {
      stepsPerKeyMax: 50,
    });
    expect(report.verdict).toBe("violation");
    expect([report.violated, report.undecided]).toEqual([["other"], ["k"]]);
  });

  it("LN-8 keys that are left when the whole limit is used up are undecided", () => {
    const keys = Array.from({ length: 5 }, (_, i) => ({
      ...write([1, 2], "a", done()),
      key: `k${i}`,
    }));
    const report = checkLinearizability(keys, { stepsMax: 2 });
    expect(report.verdict).toBe("undecided");
    expect(report.undecided.length).toBeGreaterThan(0);
  });

  it.each([
    ["invokedAt must be a whole number", write([1.5, 2], "a", done())],
    ["returnedAt must be a whole number", write([1, Number.NaN], "a", done())],
    ["returnedAt must not be before invokedAt", write([2, 1], "a", done())],
    ["version must be a whole number from 1; leave it out", write([1, 2], "a", done(0))],
    [
      "version must be a whole number from 1; leave it out",
      cas([1, 2], { version: -1 }, "a", mismatch),
    ],
  ])("LN-9 %s", (message, operation) => {
    expect(() => check(operation)).toThrow(HistoryError);
    expect(() => check(operation)).toThrow(
      `operation 0 (${operation.call} of key "k"): ${message}`,
    );
  });
});

describe("size", () => {
  const busy = { operations: 200_000, keys: 1000, clients: 64, mix: [4, 4, 2, 1] } as const;

  it.each([
    ["new values, no versions", { values: 0, unknownPercent: 2, versionPercent: 0 }],
    ["new values, versions", { values: 0, unknownPercent: 20, versionPercent: 100 }],
    ["three values, no versions", { values: 3, unknownPercent: 20, versionPercent: 0 }],
  ])("LN-16 200,000 operations: %s", (name, options) => {
    const history = randomHistory(seededRandom(name), { ...busy, ...options });
    const report = checkLinearizability(history);
    expect(report.text).toBe("linearizable: 200000 operations on 1000 keys");
    expect(report.steps).toBeLessThan(4_000_000);
  });

  it("LN-16 64 clients on ten keys are decided, also where they are violated", () => {
    const random = seededRandom("hot");
    const options = { ...busy, operations: 20_000, keys: 10, values: 0, unknownPercent: 5 };
    let history = randomHistory(random, { ...options, versionPercent: 100 });
    expect(checkLinearizability(history).verdict).toBe("linearizable");
    for (let i = 0; i < 20; i += 1) history = mutateHistory(random, history);
    const report = checkLinearizability(history, { explainedKeysMax: 0 });
    expect(report.verdict).toBe("violation");
    expect(report.undecided).toEqual([]);
  });
});

import { describe, expect, it } from "vitest";
import { seededRandom } from "../seeded-random.js";
import { hasOrder } from "./brute-force.js";
import { checkLinearizability, type Explanation, type Operation } from "./index.js";
import { mutateHistory, randomHistory } from "./random-history.js";

function explained(history: readonly Operation[]): Explanation | undefined {
  return checkLinearizability(history).explanations[0];
}

/** The history as it was known at that moment. */
function knownAt(history: readonly Operation[], at: number): Operation[] {
  return history.flatMap((operation): Operation[] => {
    if (operation.invokedAt > at) return [];
    if (operation.returnedAt <= at || operation.outcome.kind === "refused") return [operation];
    if (operation.call === "read") return [];
    return [{ ...operation, outcome: { kind: "unknown", reason: "" } }];
  });
}

const step = (at: number, client: string) => ({
  key: "k7",
  client,
  invokedAt: at,
  returnedAt: at + 1,
});
const wrote = (at: number, value: string, version: number) =>
  ({ call: "write", ...step(at, "c1"), value, outcome: { kind: "done", version } }) as const;
const found = (at: number, value: string) =>
  ({ call: "read", ...step(at, "c2"), outcome: { kind: "value", value } }) as const;

describe("explanations", () => {
  it("LN-12 a stale read is told in lines", () => {
    const history = [
      wrote(1, "a", 1),
      found(3, "a"),
      wrote(5, "b", 2),
      found(10, "a"),
      found(12, "b"),
      wrote(14, "c", 3),
    ];
    expect(checkLinearizability(history).text).toBe(
      [
        "violation: 6 operations on 1 keys",
        "violated keys: k7",
        "",
        'key "k7" is not linearizable: no order explains its first 4 of 6 operations',
        '  first answer that has no place: c2 read → "a"',
        "  these 3 contradict each other, whatever else happened or not:",
        '    [ 3,  4] c2 read → "a"',
        '    [ 5,  6] c1 write "b" → done at version 2',
        '    [10, 11] c2 read → "a"',
      ].join("\n"),
    );
  });

  it.each([
    ["nobody ever wrote it", [found(1, "x")], 'because nobody ever wrote "x"'],
    [
      "its writes were refused",
      [
        {
          call: "write",
          ...step(1, "c1"),
          value: "x",
          outcome: { kind: "refused", reason: "NOT_LEADER" },
        },
        found(3, "x"),
      ],
      'because every write of "x" was refused',
    ],
    [
      "it came from the future",
      [found(1, "x"), wrote(3, "x", 1)],
      'because every write of "x" began after it was read',
    ],
    [
      "its condition did not hold",
      [
        {
          call: "cas",
          ...step(1, "c1"),
          expect: { exists: true },
          value: "x",
          outcome: { kind: "mismatch" },
        },
        found(3, "x"),
      ],
      'because the condition of every write of "x" did not hold',
    ],
  ] satisfies [string, Operation[], string][])(
    "LN-12 a value is not explained: %s",
    (_, history, line) => {
      expect(explained(history)?.text).toContain(line);
    },
  );

  it("LN-11 a limit makes the explanation larger, and it says so", () => {
    const writes = Array.from({ length: 20 }, (_, i) => wrote(10 * i + 1, `v${i}`, i + 1));
    const history = [...writes, found(300, "v3")];
    const small = explained(history);
    expect([small?.core.length, small?.isSmallest]).toEqual([3, true]);
    const [large] = checkLinearizability(history, { explanationStepsMax: 1 }).explanations;
    expect([large?.core.length, large?.isSmallest]).toEqual([21, false]);
    expect(large?.text).toContain("these 21 contradict each other");
    expect(large?.text).toContain("(fewer may do: a limit was reached)");
  });

  it("LN-10 LN-11 prefix and core of random violations are as small as they can be", () => {
    let violations = 0;
    for (let seed = 0; violations < 150 && seed < 3000; seed += 1) {
      const random = seededRandom(`explain ${seed}`);
      const options = { operations: 7, keys: 1, clients: 3, unknownPercent: 20 };
      const mix = [4, 4, 2, 1] as const;
      let history = randomHistory(random, {
        ...options,
        values: seed % 3,
        versionPercent: 50,
        mix,
      });
      for (let i = 0; i < 3; i += 1) history = mutateHistory(random, history);
      const explanation = explained(history);
      if (explanation === undefined) continue;
      violations += 1;
      const { last, core } = explanation;
      expect(hasOrder(knownAt(history, last.returnedAt)), `prefix of seed ${seed}`).toBe(false);
      const earlier = history.filter(({ returnedAt }) => returnedAt < last.returnedAt);
      const before = Math.max(-1, ...earlier.map(({ returnedAt }) => returnedAt));
      expect(hasOrder(knownAt(history, before)), `before the prefix of seed ${seed}`).toBe(true);
      expect(core.length).toBeGreaterThan(0);
      const prefix = knownAt(history, last.returnedAt);
      expect(hasOrder(onlyCertain(prefix, core)), `core of seed ${seed}`).toBe(false);
      for (const one of core) {
        const rest = core.filter((other) => other !== one);
        expect(hasOrder(onlyCertain(prefix, rest)), `core of seed ${seed} without one`).toBe(true);
      }
    }
    expect(violations).toBe(150);
  });
});

/** The answers of the core; every other change may have happened, without its condition. */
function onlyCertain(prefix: readonly Operation[], core: readonly Operation[]): Operation[] {
  return prefix.flatMap((operation): Operation[] => {
    const { call, outcome } = operation;
    if (core.includes(operation) || outcome.kind === "unknown") return [operation];
    if (call === "read" || outcome.kind === "mismatch" || outcome.kind === "refused") return [];
    const free = { ...step(0, "any"), key: operation.key, invokedAt: operation.invokedAt };
    const open = {
      returnedAt: operation.returnedAt,
      outcome: { kind: "unknown", reason: "" },
    } as const;
    if (call === "delete" || operation.value === null)
      return [{ ...free, ...open, call: "delete" }];
    return [{ ...free, ...open, call: "write", value: operation.value }];
  });
}

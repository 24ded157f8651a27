import fc from "fast-check";
import { expect, it } from "vitest";
import { RequestMemory } from "./request-memory.js";

/** Entries from 1 on, each with the id that it carried. */
function open(window: number, seed?: number) {
  const ids = new Map<number, string>();
  let looks = 0;
  const memory = new RequestMemory({
    window,
    seed,
    idAt: (index) => {
      looks += 1;
      return ids.get(index);
    },
  });
  const apply = (id: string): number | undefined => {
    const index = ids.size + 1;
    const known = id === "" ? undefined : memory.find(id, index);
    ids.set(index, id);
    memory.advance(index, 0);
    if (id !== "" && known === undefined) memory.remember(id, index);
    return known;
  };
  return { memory, ids, apply, looks: () => looks };
}

it("ST-8 an id is known for as many entries as the window has, whatever its place in memory", () => {
  const id = fc.constantFrom("", ...Array.from({ length: 12 }, (_, n) => `request-${n}`));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer(),
      fc.array(id),
      (window, seed, list) => {
        const { memory, ids, apply } = open(window, seed);
        const remembered = new Map<string, number>();
        for (const [at, one] of list.entries()) {
          const index = at + 1;
          const before = remembered.get(one);
          const expected = before !== undefined && index - before < window ? before : undefined;
          expect(apply(one)).toBe(expected);
          if (one !== "" && expected === undefined) remembered.set(one, index);
        }
        const applied = [...remembered.values()].sort((a, b) => a - b);
        const entries = applied.map((index) => {
          return { index, timestampMs: 0, requestId: ids.get(index) as string };
        });
        memory.reload(0, entries);
        for (const [one, index] of remembered) {
          const isKept = list.length + 1 - index < window;
          expect(memory.find(one, list.length + 1)).toBe(isKept ? index : undefined);
        }
      },
    ),
  );
});

it("ST-8 an id whose hash is another one's is not taken for it", () => {
  const { memory, apply, looks } = open(100_000);
  for (let n = 0; n < 100_000; n += 1) apply(`first-${n}`);
  const before = looks();
  for (let n = 0; n < 200_000; n += 1) expect(memory.find(`second-${n}`, 100_000)).toBe(undefined);
  expect(looks()).toBeGreaterThan(before);
});

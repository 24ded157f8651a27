import { expect, test } from "vitest";
import { settle, VirtualTime } from "../../../test/support/index.js";
import { type Deferred, deferred, type LogIndex } from "../../base/index.js";
import type { RegionFacts } from "../ports/index.js";
import { FactsPump } from "./facts-pump.js";

function open(pauseMs = 0) {
  const time = new VirtualTime();
  const asked: Deferred<RegionFacts | undefined>[] = [];
  const seen: number[] = [];
  const failures: unknown[] = [];
  const state = { applied: 1 };
  const pump = new FactsPump({
    log: {
      facts: () => {
        const answer = deferred<RegionFacts | undefined>();
        asked.push(answer);
        return answer.promise;
      },
    },
    clock: time,
    applied: () => state.applied as LogIndex,
    pauseMs: () => pauseMs,
    seen: (_facts, index) => void seen.push(index),
    failed: (error) => void failures.push(error),
  });
  return { time, asked, seen, failures, state, pump };
}

test("MR-45 the state is asked once at a time, and again only when something was applied", async () => {
  const { asked, seen, state, pump } = open();
  pump.look();
  state.applied = 5;
  pump.look();
  expect(asked.length).toBe(1);
  asked[0]?.resolve(undefined);
  await settle();
  // As of when it was asked: what was applied meanwhile it may not have seen.
  expect(seen).toEqual([1]);
  pump.look();
  asked[1]?.resolve(undefined);
  await settle();
  pump.look();
  expect([seen, asked.length]).toEqual([[1, 5], 2]);
  pump.again();
  pump.look();
  expect(asked.length).toBe(3);
});

test("MR-45 where nobody waits for it the state is asked now and then", async () => {
  const { time, asked, state, pump } = open(1_000);
  pump.look();
  asked[0]?.resolve(undefined);
  await settle();
  state.applied = 2;
  pump.look();
  expect(asked.length).toBe(1);
  await time.advance(1_000);
  pump.look();
  expect(asked.length).toBe(2);
});

test("MR-45 a state that cannot be read is asked again, and nobody is told after the end", async () => {
  const { asked, seen, failures, pump } = open();
  pump.look();
  asked[0]?.reject(new Error("being replaced"));
  await settle();
  expect(failures.length).toBe(1);
  pump.look();
  pump.close();
  asked[1]?.resolve(undefined);
  await settle();
  expect(seen).toEqual([]);
});

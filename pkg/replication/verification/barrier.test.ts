import { expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { SimDisk, seededRandom, settle, VirtualTime } from "../../../test/support/index.js";
import { deferred, type LogIndex, NO_POSITION, type Term } from "../../base/index.js";
import { noMetrics, silentLogger } from "../../runtime/index.js";
import { createMemoryStorage } from "../../storage/index.js";
import { openSegmentedLog } from "../../storage/log/index.js";
import { type Answer, Driver } from "../driver/driver.js";
import type { Core, CoreView } from "../driver/effects.js";
import { DEFAULT_LIMITS } from "../limits.js";
import type { Entry } from "../ports/index.js";

interface State {
  readonly appliedIndex: LogIndex;
}
type Begin = { readonly kind: "begin"; readonly upTo: LogIndex };
type Nothing = { readonly kind: "nothing" };

/** Has everything applied at once, and answers ticket 1 for entry 3, a marker. */
const core: Core<State, Begin, Nothing> = {
  initial: { appliedIndex: 0 as LogIndex },
  step: (state, input) => {
    if (input.kind === "begin") return { state, effects: [{ kind: "apply", upTo: input.upTo }] };
    if (input.kind !== "applied") return { state, effects: [] };
    const appliedIndex = input.upTo.index;
    const answered = state.appliedIndex < 3 && appliedIndex >= 3;
    const answer = {
      kind: "answer" as const,
      ticket: 1,
      index: 3 as LogIndex,
      term: 1 as Term,
      durability: "quorum" as const,
    };
    return { state: { appliedIndex }, effects: answered ? [answer] : [] };
  },
  view: (state) => ({ ...state }) as CoreView,
  assertInvariants: () => {},
};

test("VF-1 nothing after a marker is applied before it is dealt with, and its proposer is answered", async () => {
  const time = new VirtualTime();
  const disk = new SimDisk({ time, random: seededRandom(1) });
  const log = await openSegmentedLog({
    directory: "/wal",
    fileSystem: disk,
    logger: silentLogger,
    metrics: noMetrics,
    clock: time,
    clusterId: "c",
  });
  const entries = new Entries();
  const put = (id: string) => entries.command([{ op: "put_node", id }]);
  log.append([put("a"), put("b"), entries.other("marker"), put("c"), entries.other("marker")]);
  await log.sync();
  const storage = createMemoryStorage();
  const standing = deferred();
  const markers: Entry[] = [];
  const answers: Answer[] = [];
  const driver = new Driver(
    core,
    {
      log,
      // Two batches may be under way: the one behind a marker must not be.
      stateMachine: Object.assign(storage, { applyAheadMax: 2 }),
      limits: { ...DEFAULT_LIMITS, applyBatchEntriesMax: 2 },
      listener: {
        onAnswers: (some) => void answers.push(...some),
        onNote: () => {},
        onStep: () => {},
        onFailure: (error) => {
          throw error;
        },
      },
      carryOut: () => {},
      atMarker: async (marker) => {
        markers.push(marker);
        if (marker.index === 3) await standing.promise;
      },
    },
    NO_POSITION,
  );
  driver.input({ kind: "begin", upTo: 5 as LogIndex });
  await settle();
  expect(storage.getWALPosition().index).toBe(3);
  expect(driver.applied.index).toBe(2);
  expect(answers).toEqual([]);
  standing.resolve();
  await settle();
  expect(driver.applied.index).toBe(5);
  expect(markers.map(({ index }) => index)).toEqual([3, 5]);
  expect(answers).toMatchObject([{ ticket: 1, result: { index: 3, ok: true, value: null } }]);
  await log.close();
});

import { describe, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import { SimDisk, seededRandom, settle, VirtualTime } from "../../../test/support/index.js";
import { type LogIndex, NO_POSITION, type Term } from "../../base/index.js";
import { noMetrics, silentLogger } from "../../runtime/index.js";
import { createMemoryStorage } from "../../storage/index.js";
import { openSegmentedLog } from "../../storage/log/index.js";
import { DEFAULT_LIMITS } from "../limits.js";
import type { HardState } from "../ports/index.js";
import { Driver } from "./driver.js";
import type { Core, CoreView, Effect } from "./effects.js";

type Persist = Extract<Effect, { kind: "persist" }>;
type Begin = { readonly kind: "begin"; readonly persist: Persist };
type Nothing = { readonly kind: "nothing" };

const hard = (term: number, commit: number): HardState => ({
  term: term as Term,
  votedFor: null,
  commit: commit as LogIndex,
  epoch: 0,
});

/** A driver whose core asks for what the test says and keeps a list of what comes back. */
async function start() {
  const time = new VirtualTime();
  const disk = new SimDisk({ time, random: seededRandom(1) });
  const parts = { fileSystem: disk, logger: silentLogger, metrics: noMetrics, clock: time };
  const log = await openSegmentedLog({ directory: "/wal", clusterId: "c", ...parts });
  const seen: string[] = [];
  const core: Core<null, Begin, Nothing> = {
    initial: null,
    step: (state, input) => {
      if (input.kind === "begin") return { state, effects: [input.persist] };
      seen.push(input.kind);
      return { state, effects: [] };
    },
    view: () => ({}) as CoreView,
    assertInvariants: () => {},
  };
  const listener = {
    onAnswers: () => {},
    onNote: () => {},
    onStep: () => {},
    onFailure: () => void seen.push("failure"),
  };
  const stateMachine = createMemoryStorage();
  const driver = new Driver(
    core,
    { log, stateMachine, limits: DEFAULT_LIMITS, listener, carryOut: () => {} },
    NO_POSITION,
  );
  const entries = new Entries();
  let seq = 0;
  const persist = (term: number, commit: number) => {
    seq += 1;
    const put = entries.command([{ op: "put_node", id: `n${seq}` }]);
    const effect: Persist = { kind: "persist", seq, hard: hard(term, commit), entries: [put] };
    driver.input({ kind: "begin", persist: effect });
  };
  return { disk, log, seen, persist };
}

describe("a log without room", () => {
  test("DR-5 entries are refused also where what is committed cannot be noted with them (FC-036)", async () => {
    const { disk, log, seen, persist } = await start();
    persist(1, 0);
    await settle();
    disk.capacityBytes = 0;
    persist(1, 1);
    // Before the cut of the first refusal is durable the log takes nothing at all.
    persist(1, 1);
    expect(seen).toEqual(["persisted", "persist_refused", "persist_refused"]);
    await settle();
    expect(seen.slice(3)).not.toContain("failure");
    expect(log.last.index).toBe(1);
    expect(log.hardState).toEqual(hard(1, 0));
  });

  test("DR-5 a promise that has no room ends the node: nobody may believe it was made", async () => {
    const { disk, log, seen, persist } = await start();
    persist(1, 0);
    await settle();
    disk.capacityBytes = 0;
    persist(2, 0);
    await settle();
    expect(seen).toEqual(["persisted", "failure"]);
    expect(log.hardState).toEqual(hard(1, 0));
  });
});

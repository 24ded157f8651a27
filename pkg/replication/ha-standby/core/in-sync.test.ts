import { describe, expect, it } from "vitest";
import { type NodeId, type Position, toLogIndex, toTerm } from "../../../base/index.js";
import type { HaInput } from "./effects.js";
import { DEFAULT_HA_LIMITS, DEFAULT_HA_TICKS, type HaOptions, type SyncMode } from "./options.js";
import type { HaState } from "./state.js";
import { createHaCore } from "./step.js";

const own = "a" as NodeId;
const NOTHING: Position = { index: toLogIndex(0), term: toTerm(0) };

/** A primary of a pair without an arbiter that was one before, alone, for so many ticks. */
function alone(policy: HaOptions["policy"], syncMode: SyncMode, ticks: number) {
  const core = createHaCore({
    id: own,
    disk: "disk-a",
    peers: ["b" as NodeId],
    startsAsPrimary: true,
    arbiter: "peer",
    policy,
    syncMode,
    autoFailover: true,
    ticks: DEFAULT_HA_TICKS,
    limits: DEFAULT_HA_LIMITS,
  });
  const hard = { term: toTerm(2), votedFor: own, commit: toLogIndex(1), epoch: 2 };
  const last = { index: toLogIndex(1), term: toTerm(2) };
  const terms = [{ first: toLogIndex(1), term: toTerm(2) }];
  const queue: HaInput[] = [
    { kind: "recovered", hard, base: NOTHING, last, applied: NOTHING, terms },
  ];
  const notes: string[] = [];
  let state: HaState = core.initial;
  for (let passed = 0; passed < ticks; ) {
    const next = queue.shift();
    if (next === undefined) passed += 1;
    const step = core.step(state, next ?? { kind: "tick" });
    core.assertInvariants(step.state);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "persist") {
        queue.push({ kind: "persisted", seq: effect.seq, upTo: state.log.last });
      } else if (effect.kind === "apply") {
        queue.push({ kind: "applied", upTo: { index: effect.upTo, term: state.hard.term } });
      } else if (effect.kind === "note") notes.push(effect.event);
    }
  }
  return { state, notes };
}

const { failoverTicks, lostTicks } = DEFAULT_HA_TICKS;
const LONG = 3 * (failoverTicks + lostTicks);

describe("a primary whose standby never came", () => {
  it("HA-11 under availability begins its epoch without it, and says so (FC-108)", () => {
    const { state, notes } = alone("availability", "semi_sync", LONG);
    expect(notes).toEqual(expect.arrayContaining(["became_primary", "degraded", "primary_ready"]));
    expect(state.lead).toMatchObject({ inSync: [] });
    expect(state.hard.commit).toBe(state.lead?.readyIndex);
  });

  it("HA-11 serves nobody where a standby's word is needed: sync, or consistency (FC-086, FC-104)", () => {
    for (const [policy, mode] of [
      ["availability", "sync"],
      ["consistency", "semi_sync"],
      ["consistency", "async"],
    ] as const) {
      const { notes } = alone(policy, mode, LONG);
      expect([policy, mode, notes.includes("primary_ready")]).toEqual([policy, mode, false]);
      expect(notes).not.toContain("degraded");
    }
  });
});

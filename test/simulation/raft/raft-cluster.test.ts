import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Report, runSeed } from "./run.js";

const FIRST_SEED = Number(process.env.SIM_SEED ?? 1);
const SEEDS = Number(process.env.SIM_COUNT ?? 20);

/** Lines of `seed reason`. */
const KEPT_SEEDS = readFileSync(new URL("seeds.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => /^\d/.test(line))
  .map((line) => ({ seed: Number.parseInt(line, 10), reason: line.replace(/^\d+\s*/, "") }));

/** What must have happened at least once, or the run has proved less than it says. */
const EXPECTED = [
  "leader_ready",
  "members_changed",
  "removed",
  "member_wiped",
  "tail_replaced",
  "snapshot_needed",
  "snapshot installed",
  "transfer leadership: done",
  "add member: done",
  "remove member: done",
  "call doubled",
  "call lost_answer",
  "call late",
  "disk crash_lost_data",
  "disk sync_failed",
  "stream vanished",
  "stream reset",
  "bookmark reads",
  "replayed",
  "states compared",
  "unknown",
];

describe("a cluster of whole nodes", () => {
  it(`RA-29 RB-3 RB-4 safe under faults, then live, over ${SEEDS} seeds`, async () => {
    const totals = new Map<string, number>();
    const count = ({ counts }: Report) => {
      for (const [name, times] of counts) totals.set(name, (totals.get(name) ?? 0) + times);
    };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) count(await runSeed(seed));
    if (SEEDS < 20) return;
    for (const name of EXPECTED) expect(totals.get(name) ?? 0, name).toBeGreaterThan(0);
  }, 3_600_000);

  it.each(KEPT_SEEDS)("RA-29 seed $seed: $reason", async ({ seed }) => {
    expect((await runSeed(seed)).steps).toBeGreaterThan(0);
  });

  it("RA-30 the same seed gives the same run, another seed another", async () => {
    const { trace } = await runSeed(1);
    expect((await runSeed(1)).trace).toBe(trace);
    expect((await runSeed(2)).trace).not.toBe(trace);
  });
});

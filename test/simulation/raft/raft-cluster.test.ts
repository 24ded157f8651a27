import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Report, runSeed } from "./run.js";

const FIRST_SEED = Number(process.env.SIM_SEED ?? 1);
const SEEDS = Number(process.env.SIM_COUNT ?? 20);

/** Lines of `seed reason`; left out when somebody asks for a seed of their own. */
const KEPT_SEEDS = readFileSync(new URL("seeds.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => process.env.SIM_SEED === undefined && /^\d/.test(line))
  .map((line) => ({ seed: Number.parseInt(line, 10), reason: line.replace(/^\d+\s*/, "") }));

/** What must have happened at least once, or the run has proved less than it says. */
const EXPECTED = [
  "leader_ready",
  "members_changed",
  "removed",
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
  "line replicas_compared",
  "unknown",
];

describe("a cluster of whole nodes", () => {
  it(`RA-29 RB-3 RB-4 safe under faults, then live, over ${SEEDS} seeds`, async () => {
    const totals = new Map<string, number>();
    const count = ({ counts }: Report) => {
      for (const [name, times] of counts) totals.set(name, (totals.get(name) ?? 0) + times);
    };
    const began = process.hrtime.bigint();
    let steps = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      const report = await runSeed(seed);
      count(report);
      steps += report.steps;
    }
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const rates = [SEEDS / seconds, steps / seconds].map((rate) => rate.toPrecision(3));
    process.stdout.write(`${SEEDS} seeds, ${steps} steps: ${rates.join(" seeds/s, ")} steps/s\n`);
    if (SEEDS < 20) return;
    const expected = SEEDS < 200 ? EXPECTED : [...EXPECTED, "member_wiped"];
    for (const name of expected) expect(totals.get(name) ?? 0, name).toBeGreaterThan(0);
  }, 3_600_000);

  it.each(KEPT_SEEDS)(
    "RA-29 seed $seed: $reason",
    async ({ seed }) => {
      expect((await runSeed(seed)).steps).toBeGreaterThan(0);
    },
    600_000,
  );

  it("RA-30 the same seed gives the same run, another seed another", async () => {
    const { trace } = await runSeed(1);
    expect((await runSeed(1)).trace).toBe(trace);
    expect((await runSeed(2)).trace).not.toBe(trace);
  }, 600_000);
});

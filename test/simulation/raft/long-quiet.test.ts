import { describe, expect, it } from "vitest";
import { seededRandom } from "../../support/index.js";
import type { Machine } from "./machine.js";
import { Script, stateOf } from "./script.js";

const MINUTE_MS = 60_000;
const TIMING = { electionMs: 1_000, heartbeatMs: 100, leaseMs: 500 };
const term = (machine: Machine) => stateOf(machine)?.hard.term ?? 0;

describe("whole nodes of raft over minutes", () => {
  it("RA-23 ten idle minutes bring no election, and no follower waits for two heartbeats", async () => {
    const script = new Script({ timing: TIMING });
    const { leader, followers } = await script.start();
    const before = term(leader);
    script.heard.length = 0;
    await script.time.advance(10 * MINUTE_MS);
    expect([script.serving()?.id, term(leader)]).toEqual([leader.id, before]);
    for (const { id } of followers) {
      const atMs = script.heard
        .filter(({ node, input }) => node === id && input.kind === "message")
        .map((heard) => heard.atMs);
      const gaps = atMs.slice(1).map((at, i) => at - (atMs[i] as number));
      expect(gaps.length).toBeGreaterThanOrEqual((10 * MINUTE_MS) / TIMING.heartbeatMs - 100);
      expect(Math.max(...gaps)).toBeLessThan(2 * TIMING.heartbeatMs);
    }
  });

  it.each(["leader", "follower"] as const)(
    "RA-23 a link that flaps for five minutes at the %s costs few elections and stops no writes",
    async (at) => {
      const script = new Script({ timing: TIMING });
      const { leader, followers } = await script.start();
      const [one, two] = followers as [Machine, Machine];
      const other = at === "leader" ? leader : two;
      const random = seededRandom(`flapping ${at}`);
      const before = term(leader);
      const untilMs = script.time.monotonicMs() + 5 * MINUTE_MS;
      let done = 0;
      let tried = 0;
      while (script.time.monotonicMs() < untilMs) {
        const cut = random.chance(1, 2);
        script.network.setLink(one.id, other.id, { cut });
        script.network.setLink(other.id, one.id, { cut });
        await script.time.advance(random.between(200, 3_000));
        tried += 1;
        const answer = await script.ended(script.write(leader, `k${tried % 10}`));
        if ("durability" in answer) done += 1;
      }
      expect(tried).toBeGreaterThan(100);
      expect(done).toBe(tried);
      expect(term(leader) - before).toBeLessThanOrEqual(5);
    },
  );
});

import { describe, expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { FAST_ELECTIONS } from "./support/fast-elections.js";
import { finalCheck } from "./support/final-check.js";
import { loseLeaders, percentile, spread } from "./support/leader-kills.js";
import { RaftCluster } from "./support/raft-cluster.js";

const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 50);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 64);
const SEED = Number(process.env.CHAOS_SEED ?? 1);

describe("raft without its leader", () => {
  it.each([
    { timings: "default timings", environment: {}, p50: 1_500, p99: 3_000 },
    { timings: "an election timeout of 150 ms", environment: FAST_ELECTIONS, p50: 500, p99: 3_000 },
  ])(
    `${ROUNDS} x kill -9 of the leader at $timings: nothing acknowledged is lost, every history is linearizable, p50 <= $p50 ms`,
    async ({ timings, environment, p50, p99 }) => {
      await using cluster = await RaftCluster.start({ nodes: 3, environment });
      const clients = new Clients({
        clients: CLIENTS,
        seed: SEED,
        nodes: () => cluster.nodes,
      });
      clients.start();
      const losses = await loseLeaders({
        cluster,
        clients,
        rounds: ROUNDS,
        signal: "SIGKILL",
        log: console.log,
      });
      const check = await finalCheck(cluster, clients);
      console.log(`kill -9, ${timings}: ${spread(losses.gapsMs)} from kill to the next write`);
      console.log(`${losses.operations} checked operations; ${check.text}`);
      expect(losses.violations).toEqual([]);
      expect(check.problems).toEqual([]);
      expect(check.acknowledged).toBeGreaterThan(ROUNDS * 10);
      expect(percentile(losses.gapsMs, 50)).toBeLessThanOrEqual(p50);
      expect(percentile(losses.gapsMs, 99)).toBeLessThanOrEqual(p99);
    },
  );

  it(`${ROUNDS} x SIGTERM of the leader hands over: nobody waits longer than 200 ms for an acknowledgement`, async () => {
    await using cluster = await RaftCluster.start({ nodes: 3 });
    const clients = new Clients({
      clients: CLIENTS / 4,
      seed: SEED,
      nodes: () => cluster.nodes,
    });
    clients.start();
    const losses = await loseLeaders({
      cluster,
      clients,
      rounds: ROUNDS,
      signal: "SIGTERM",
      log: console.log,
    });
    const check = await finalCheck(cluster, clients);
    console.log(`SIGTERM: ${spread(losses.gapsMs)} to the next term's first write;`);
    console.log(`without any acknowledgement: ${spread(losses.silencesMs)}; ${check.text}`);
    expect(losses.violations).toEqual([]);
    expect(check.problems).toEqual([]);
    expect(percentile(losses.silencesMs, 100)).toBeLessThanOrEqual(200);
  });
});

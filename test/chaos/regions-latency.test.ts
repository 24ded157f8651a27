import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { describe, expect, it } from "vitest";
import { until } from "../process/support/raft-cluster.js";
import { RegionsCluster } from "../process/support/regions-cluster.js";
import { sendWrite } from "./support/http-calls.js";
import { percentile } from "./support/leader-kills.js";

const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 9);
const ROUND_MS = Number(process.env.CHAOS_ROUND_MS ?? 5_000);
const PER_SECOND = 200;
const LINK_MS = 2_500;
const TICK_MS = 2;
/** Of no remote region at all. */
const SHARE_MAX = 1.1;

/** How long the acknowledged writes of a steady load took, in milliseconds. */
async function load(pool: Pool, prefix: string): Promise<number[]> {
  const latencies: number[] = [];
  const open = new Set<Promise<void>>();
  const startMs = performance.now();
  let started = 0;
  const one = async (id: string) => {
    const beginMs = performance.now();
    const body = { properties: { value: "v".repeat(256) } };
    const reply = await sendWrite(pool, { method: "PUT", id, requestId: id, body });
    if (reply.kind !== "done") throw new Error(`${id}: ${JSON.stringify(reply)}`);
    latencies.push(performance.now() - beginMs);
  };
  for (let nowMs = startMs; nowMs < startMs + ROUND_MS; nowMs = performance.now()) {
    const due = Math.floor(((nowMs - startMs) * PER_SECOND) / 1000);
    for (; started < due; started += 1) {
      const running = one(`${prefix}-${started}`);
      open.add(running);
      void running.finally(() => open.delete(running)).catch(() => {});
    }
    await sleep(TICK_MS);
  }
  await Promise.all(open);
  return latencies;
}

/** Nothing is left to be told. */
async function even(cluster: RegionsCluster): Promise<void> {
  await until("all is told", async () => {
    const { lag_entries } = await cluster.regionOf(await cluster.leader("eu"), "us");
    return lag_entries === 0;
  });
}

const median = (values: readonly number[]) => percentile(values, 50);

describe("a region whose link to the other one is bad", () => {
  it(`writes as fast as with no other region, behind ${LINK_MS} ms each way and cut off`, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "regions-latency-"));
    const homes = ["alone", "linked"].map((name) => path.join(folder, name));
    for (const home of homes) mkdirSync(home);
    const [alone, linked] = (await Promise.all(
      homes.map((home, at) =>
        RegionsCluster.make(home, { nodes: at === 0 ? { eu: 3 } : { eu: 3, us: 3 } }),
      ),
    )) as [RegionsCluster, RegionsCluster];
    const pools: Pool[] = [];
    try {
      await Promise.all([alone.startAll(), linked.startAll()]);
      const poolOf = async (cluster: RegionsCluster) => {
        const { url } = cluster.node(await cluster.leader("eu"));
        const pool = new Pool(url, { connections: 64, pipelining: 1 });
        pools.push(pool);
        return pool;
      };
      const cases = [
        { name: "no other region", pool: await poolOf(alone), enter: () => {} },
        {
          name: `${LINK_MS} ms each way`,
          pool: await poolOf(linked),
          enter: () => linked.delay(LINK_MS),
        },
        { name: "cut off", pool: await poolOf(linked), enter: () => linked.cut() },
      ].map((one) => ({ ...one, p50: [] as number[], p99: [] as number[] }));
      for (let round = 0; round <= ROUNDS; round += 1) {
        for (const { name, pool, enter, p50, p99 } of cases) {
          enter();
          const latencies = await load(pool, `${name.replaceAll(" ", "-")}-${round}`);
          // The first round warms up.
          if (round === 0) continue;
          p50.push(percentile(latencies, 50));
          p99.push(percentile(latencies, 99));
        }
        // What was held up is not told while others are measured.
        linked.delay(0);
        linked.heal();
        await even(linked);
      }
      const text = cases.map(
        ({ name, p50, p99 }) =>
          `${name}: p50 ${median(p50).toFixed(2)} ms, p99 ${median(p99).toFixed(2)} ms`,
      );
      console.log(`${PER_SECOND} writes/s, the middle of ${ROUNDS} rounds. ${text.join("; ")}`);
      const [none, ...bad] = cases.map(({ p99 }) => median(p99));
      for (const p99 of bad) expect(p99 / (none ?? 0)).toBeLessThanOrEqual(SHARE_MAX);
      await linked.converged();
    } finally {
      await Promise.all(pools.map((pool) => pool.destroy()));
      await Promise.all([alone.close(), linked.close()]);
      rmSync(folder, { recursive: true });
    }
  });
});

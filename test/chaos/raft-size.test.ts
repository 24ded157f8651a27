import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { spread } from "./support/leader-kills.js";
import { RaftCluster } from "./support/raft-cluster.js";

const WRITES = Number(process.env.CHAOS_WRITES ?? 100_000);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 64);
const SAMPLE_MS = 2_000;
const PAD_BYTES = 200;
const MIB = 1024 * 1024;
const RSS_MIB_MAX = 250;
/** Two segments of 64 MiB that are not full yet or not to be dropped, and the trailing entries. */
const LOG_MIB_MAX = 160;

it(`${WRITES} writes leave logs and processes of bounded size`, async () => {
  await using cluster = await RaftCluster.start({ nodes: 3 });
  const mix = { write: 0, cas: 0, read: 0 };
  const clients = new Clients({
    clients: CLIENTS,
    seed: 7,
    nodes: () => cluster.nodes,
    mix,
    padBytes: PAD_BYTES,
  });
  clients.start();
  const startMs = performance.now();
  const most = cluster.nodes.map(() => ({ rssMib: 0, logMib: 0 }));
  const tenths: string[] = [];
  while (clients.acks < WRITES) {
    await sleep(SAMPLE_MS);
    const now: number[] = [];
    for (const [at, node] of cluster.nodes.entries()) {
      const seen = most[at] as (typeof most)[number];
      const rssMib = Math.ceil(node.rssBytes() / MIB);
      now.push(rssMib);
      seen.rssMib = Math.max(seen.rssMib, rssMib);
      seen.logMib = Math.max(seen.logMib, Math.ceil(node.logBytes() / MIB));
    }
    if (clients.acks >= (tenths.length + 1) * (WRITES / 10)) {
      tenths.push(`${clients.acks}: ${now.join(", ")}`);
    }
  }
  const perSecond = clients.acks / ((performance.now() - startMs) / 1000);
  const leader = await cluster.leader();
  const check = await finalCheck(cluster, clients);
  console.log(`${perSecond.toFixed(0)} writes/s, ${spread(clients.latenciesMs)}`);
  console.log(`MiB resident of each node after so many writes: ${tenths.join("; ")}`);
  console.log(`led by ${leader.id}; at most ${JSON.stringify(most)}; ${check.text}`);
  expect(check.problems).toEqual([]);
  expect(Math.max(...most.map(({ logMib }) => logMib))).toBeLessThanOrEqual(LOG_MIB_MAX);
  expect(Math.max(...most.map(({ rssMib }) => rssMib))).toBeLessThanOrEqual(RSS_MIB_MAX);
});

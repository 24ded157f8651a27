import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { spread } from "./support/leader-kills.js";
import { RaftCluster, type RaftNode } from "./support/raft-cluster.js";

const MINUTES = Number(process.env.CHAOS_MINUTES ?? 1);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 64);
const INTERVAL_MS = 1_000;
const EPOCH_MS = 20_000;
/** Calls that are checked take memory until they are: most add to the set. */
const MIX = { write: 5, cas: 3, read: 7 };

it(`VF-2 replicas compared every second for ${MINUTES} minutes of full load: no false alarm, no election (FC-123, FC-128)`, async () => {
  await using cluster = await RaftCluster.start({
    nodes: 3,
    environment: { NORNICDB_CLUSTER_VERIFY_INTERVAL: `${INTERVAL_MS}ms` },
  });
  const clients = new Clients({ clients: CLIENTS, seed: 8, nodes: () => cluster.nodes, mix: MIX });
  const before = cluster.leaderships().terms;
  clients.start();
  const untilMs = performance.now() + MINUTES * 60_000;
  const problems: string[] = [];
  while (performance.now() < untilMs) {
    await sleep(Math.min(EPOCH_MS, Math.max(0, untilMs - performance.now())));
    const report = await clients.nextEpoch();
    if (report.verdict !== "linearizable") problems.push(report.text);
  }
  const counters = await Promise.all(cluster.nodes.map(countersOf));
  const sum = (name: string) => counters.reduce((all, one) => all + (one.get(name) ?? 0), 0);
  const rounds = (result: string) => sum(`nornicdb_verification_rounds_total{result="${result}"}`);
  const [equal, different, unknown] = [rounds("equal"), rounds("different"), rounds("unknown")];
  const seconds = sum("nornicdb_verification_duration_seconds_sum");
  const perRoundMs = (1_000 * seconds) / sum("nornicdb_verification_duration_seconds_count");
  const mismatches = sum("nornicdb_verification_mismatches_total");
  const after = cluster.leaderships().terms;
  const latencies = spread(clients.latenciesMs);
  const check = await finalCheck(cluster, clients);
  console.log(
    `${equal} rounds equal, ${different} different, ${unknown} unknown, ${mismatches} mismatches, ` +
      `${perRoundMs.toFixed(0)} ms a round; writes ${latencies}, longest silence ` +
      `${clients.longestGapMs.toFixed(0)} ms; ${check.text}`,
  );
  expect(problems).toEqual([]);
  expect(check.problems).toEqual([]);
  expect([different, mismatches]).toEqual([0, 0]);
  const logs = cluster.nodes.map((node) => node.log()).join("");
  expect(logs).not.toContain("replica_differs");
  expect(logs).not.toContain("replica_repaired");
  expect(equal).toBeGreaterThan(MINUTES * 3);
  expect(after).toBe(before);
});

/** Every sample of `/metrics`, by its name with its labels. */
async function countersOf(node: RaftNode): Promise<Map<string, number>> {
  const answer = await node.pool.request({ method: "GET", path: "/metrics" });
  const lines = (await answer.body.text()).split("\n").filter((line) => /^[a-z]/.test(line));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

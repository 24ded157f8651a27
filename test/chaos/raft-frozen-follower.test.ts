import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { spread } from "./support/leader-kills.js";
import { RaftCluster, type RaftNode } from "./support/raft-cluster.js";

const ENTRIES = Number(process.env.CHAOS_ENTRIES ?? 30_000);
const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 64);
const BASELINE_MS = 5_000;
const MIB = 1024 * 1024;
/** The log drops whole segments, of 64 MiB. */
const PAD_BYTES = Math.ceil((200 * MIB) / ENTRIES);

it(`a follower frozen for ${ENTRIES} entries rejoins by a copy of the state while writes go on`, async () => {
  await using cluster = await RaftCluster.start({
    nodes: 3,
    environment: {
      NORNICDB_CLUSTER_RAFT_TRAILING_LOGS: "1000",
      NORNICDB_CLUSTER_RAFT_SNAPSHOT_THRESHOLD: "1000",
    },
  });
  const leader = await cluster.leader();
  const frozen = cluster.followers(leader)[0] as RaftNode;
  const others = cluster.nodes.filter((node) => node !== frozen);
  const mix = { write: 5, cas: 0, read: 5 };
  const clients = new Clients({
    clients: CLIENTS,
    seed: 4,
    nodes: () => others,
    mix,
    padBytes: PAD_BYTES,
  });
  clients.start();
  await sleep(BASELINE_MS);
  const before = take(clients);

  frozen.pause();
  const from = (await leader.health())?.commit_index ?? 0;
  const untilIndex = from + ENTRIES;
  await cluster.caughtUp(untilIndex, [leader], 1_800_000);
  const while_ = take(clients);
  const { first_index: first } = (await leader.get("/admin/raft/state")) as { first_index: number };
  expect(first).toBeGreaterThan(from);

  frozen.resume();
  const resumedMs = performance.now();
  await cluster.caughtUp(untilIndex, [frozen], 300_000);
  const rejoinMs = performance.now() - resumedMs;
  const during = take(clients);
  const report = await clients.nextEpoch();
  const sizes = cluster.nodes.map(
    (node) =>
      `${node.id} ${(node.rssBytes() / MIB).toFixed(0)} MiB resident, ` +
      `${(node.logBytes() / MIB).toFixed(0)} MiB of log`,
  );
  const check = await finalCheck(cluster, clients);
  console.log(`frozen from ${from} for ${ENTRIES} entries, back after ${rejoinMs.toFixed(0)} ms`);
  console.log(`writes before ${before}; while frozen ${while_}; while it came back ${during}`);
  console.log(`${sizes.join("; ")}; ${check.text}`);
  expect(report.verdict, report.text).toBe("linearizable");
  expect(check.problems).toEqual([]);
  expect(cluster.nodes.map((node) => node.log()).join("")).toContain("snapshot_needed");
});

function take(clients: Clients): string {
  const text = `${clients.latenciesMs.length}: ${spread(clients.latenciesMs)}`;
  clients.latenciesMs = [];
  return text;
}

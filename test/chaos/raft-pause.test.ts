import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { FAST_ELECTIONS } from "./support/fast-elections.js";
import { finalCheck } from "./support/final-check.js";
import { type ReadReply, sendRead, sendWrite } from "./support/http-calls.js";
import { RaftCluster, type RaftNode } from "./support/raft-cluster.js";

const ROUNDS = Number(process.env.CHAOS_PAUSES ?? 200);
const LONG_ROUNDS = Number(process.env.CHAOS_LONG_PAUSES ?? Math.ceil(ROUNDS / 40));
const KEYS = 8;
const ARRIVAL_MS = 50;

describe("raft with a leader that stands still", () => {
  it.each([
    { timings: "default timings", environment: {}, pauseMs: 5_000, rounds: LONG_ROUNDS },
    { timings: "fast elections", environment: FAST_ELECTIONS, pauseMs: 0, rounds: ROUNDS },
  ])(
    "SIGSTOP at $timings, $rounds rounds of reads queued in its sockets: none is answered with what was overwritten (FC-060)",
    async ({ environment, pauseMs, rounds }) => {
      await using cluster = await RaftCluster.start({ nodes: 3, environment });
      const clients = new Clients({
        clients: 8,
        seed: 3,
        thinkMs: 5,
        nodes: () => cluster.nodes,
      });
      clients.start();
      const stale: string[] = [];
      const replies = { value: 0, absent: 0, failed: 0 };
      for (let round = 1; round <= rounds; round += 1) {
        const leader = await cluster.leader();
        const term = await cluster.term([leader]);
        const startMs = performance.now();
        leader.pause();
        let reads: Promise<readonly ReadReply[]>;
        try {
          await clients.ackAfterTerm(term);
          const other = cluster.followers(leader)[round % 2] as RaftNode;
          await overwrite(other, round);
          reads = readAll(leader);
          await sleep(Math.max(ARRIVAL_MS, pauseMs - (performance.now() - startMs)));
        } finally {
          leader.resume();
        }
        for (const reply of await reads) {
          replies[reply.kind] += 1;
          const isStale =
            reply.kind === "absent" || (reply.kind === "value" && reply.value !== `${round}`);
          if (isStale) stale.push(`round ${round}: ${JSON.stringify(reply)}`);
        }
        const report = await clients.nextEpoch();
        if (report.verdict !== "linearizable") stale.push(`round ${round}: ${report.text}`);
      }
      const check = await finalCheck(cluster, clients);
      console.log(`${rounds} pauses: ${JSON.stringify(replies)} of reads queued; ${check.text}`);
      expect(stale).toEqual([]);
      expect(check.problems).toEqual([]);
      expect(replies.value).toBeGreaterThan(0);
    },
  );
});

const key = (at: number) => `paused-${at}`;

async function overwrite(node: RaftNode, round: number): Promise<void> {
  const body = { labels: ["Paused"], properties: { value: `${round}` } };
  const writes = Array.from({ length: KEYS }, async (_, at) => {
    for (let attempt = 1; ; attempt += 1) {
      const requestId = `${key(at)}-${round}`;
      const write = { method: "PUT", id: key(at), requestId, body } as const;
      const reply = await sendWrite(node.pool, write);
      if (reply.kind === "done") return;
      if (attempt > 20) throw new Error(`no write: ${JSON.stringify(reply)}`);
    }
  });
  await Promise.all(writes);
}

function readAll(node: RaftNode): Promise<readonly ReadReply[]> {
  const reads = Array.from({ length: 2 * KEYS }, (_, at) =>
    sendRead(node.pool, key(at % KEYS), at < KEYS ? "LEADER" : "QUORUM"),
  );
  return Promise.all(reads);
}

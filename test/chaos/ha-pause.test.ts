import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Acknowledgements } from "./support/acknowledgements.js";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { canArbitrate, HaPair, type HaPairOptions } from "./support/ha-pair.js";
import { type ReadReply, sendRead, sendWrite, type WriteReply } from "./support/http-calls.js";
import type { RaftNode } from "./support/raft-cluster.js";
import { salvagedOn } from "./support/salvaged.js";

const ROUNDS = Number(process.env.CHAOS_PAUSES ?? 20);
const KEYS = 8;
const ARRIVAL_MS = 100;
const TRIES_MAX = 400;
const RETRY_MS = 50;

const TIMING = {
  NORNICDB_CLUSTER_HA_HEARTBEAT_MS: "100",
  NORNICDB_CLUSTER_HA_FAILOVER_TIMEOUT: "1s",
  NORNICDB_CLUSTER_HA_LEASE_TTL: "900ms",
  NORNICDB_CLUSTER_HA_RECONNECT_INTERVAL: "20ms",
  NORNICDB_CLUSTER_HA_MAX_RECONNECT_BACKOFF: "100ms",
};

interface Pair extends Pick<HaPairOptions, "arbiter" | "syncMode"> {
  readonly name: string;
  readonly policy: "consistency" | "availability";
}

const PAIRS: readonly Pair[] = [
  { name: "witness", arbiter: "witness", syncMode: "semi_sync", policy: "consistency" },
  { name: "etcd", arbiter: "etcd", syncMode: "semi_sync", policy: "consistency" },
  { name: "peer for consistency", arbiter: "peer", syncMode: "semi_sync", policy: "consistency" },
  { name: "peer for availability", arbiter: "peer", syncMode: "async", policy: "availability" },
];

describe("a pair whose primary stands still", () => {
  it.each(PAIRS.filter(({ arbiter }) => canArbitrate(arbiter)))(
    `$name: SIGSTOP for longer than the lease, ${ROUNDS} rounds, with requests queued in its sockets`,
    async (pair) => {
      const environment = { ...TIMING, NORNICDB_CLUSTER_HA_PARTITION_POLICY: pair.policy };
      await using nodes = await HaPair.open({ ...pair, environment });
      const isCertain = pair.policy === "consistency";
      const acknowledgements = new Acknowledgements();
      const clients = new Clients({ clients: 8, seed: 5, thinkMs: 5, nodes: () => nodes.nodes });
      clients.onWrite = (write) => acknowledgements.add(write);
      clients.start();
      const problems: string[] = [];
      const replies = { read: 0, written: 0, refused: 0, unknown: 0, failed: 0, late: 0 };
      const late = new Set<string>();
      for (let round = 1; round <= ROUNDS; round += 1) {
        const primary = await nodes.leader();
        const standby = nodes.other(primary);
        await nodes.streams(standby);
        const term = await nodes.term([primary]);
        primary.pause();
        let queued: Promise<readonly [readonly ReadReply[], readonly WriteReply[]]>;
        try {
          if (pair.arbiter === "peer" && isCertain) await promoted(standby);
          await overwrite(standby, round);
          queued = Promise.all([readAll(primary), writeAll(primary, round)]);
          await sleep(ARRIVAL_MS);
        } finally {
          primary.resume();
        }
        const [reads, writes] = await queued;
        for (const reply of reads) {
          replies[reply.kind === "failed" ? "failed" : "read"] += 1;
          const isStale =
            reply.kind === "absent" || (reply.kind === "value" && reply.value !== `${round}`);
          if (isStale && isCertain) problems.push(`round ${round}: ${JSON.stringify(reply)}`);
        }
        for (const [at, reply] of writes.entries()) {
          if (reply.kind === "refused" || reply.kind === "unknown") replies[reply.kind] += 1;
          if (reply.kind !== "done") continue;
          replies.written += 1;
          if (reply.receipt.term > term) continue;
          replies.late += 1;
          late.add(queuedId(round, at));
          if (isCertain) problems.push(`round ${round}: acknowledged in the old epoch ${term}`);
        }
        await nodes.streams(primary);
        const report = await clients.nextEpoch();
        if (isCertain && report.verdict !== "linearizable") {
          problems.push(`round ${round}: ${report.text}`);
        }
      }
      const text = `${pair.name}, ${ROUNDS} pauses: ${JSON.stringify(replies)} of what was queued`;
      expect(problems).toEqual([]);
      if (isCertain) {
        const check = await finalCheck(nodes, clients);
        console.log(`${text}; ${acknowledgements.epochs} epochs; ${check.text}`);
        expect(check.problems).toEqual([]);
        expect(acknowledgements.problems()).toEqual([]);
        return;
      }
      await clients.stop();
      await nodes.converged();
      const salvaged = salvagedOn(nodes.nodes);
      const seen = await Promise.all(nodes.nodes.map((node) => clients.look(node)));
      const lost = seen[0]?.set.lost ?? [];
      console.log(`${text}; ${clients.acks} writes, ${lost.length} only in salvage files`);
      expect(new Set(seen.map(({ all }) => all)).size).toBe(1);
      expect([...lost, ...late].filter((id) => !salvaged.has(id))).toEqual([]);
    },
  );
});

const key = (at: number) => `paused-${at}`;
const queuedId = (round: number, at: number) => `queued-${round}-${at}`;

async function promoted(standby: RaftNode): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await standby.post("/admin/promote", {});
    if (answer.status === 200) return;
    if (attempt >= TRIES_MAX) throw new Error(`not promoted: ${JSON.stringify(answer)}`);
    await sleep(RETRY_MS);
  }
}

async function overwrite(node: RaftNode, round: number): Promise<void> {
  const body = { labels: ["Paused"], properties: { value: `${round}` } };
  const writes = Array.from({ length: KEYS }, async (_, at) => {
    for (let attempt = 1; ; attempt += 1) {
      const requestId = `${key(at)}-${round}`;
      const write = { method: "PUT", id: key(at), requestId, body } as const;
      const reply = await sendWrite(node.pool, write);
      if (reply.kind === "done") return;
      if (attempt >= TRIES_MAX) throw new Error(`no write: ${JSON.stringify(reply)}`);
      await sleep(RETRY_MS);
    }
  });
  await Promise.all(writes);
}

function readAll(node: RaftNode): Promise<readonly ReadReply[]> {
  const reads = Array.from({ length: KEYS }, (_, at) => sendRead(node.pool, key(at), "LEADER"));
  return Promise.all(reads);
}

function writeAll(node: RaftNode, round: number): Promise<readonly WriteReply[]> {
  const body = { labels: ["Queued"], properties: {} };
  const writes = Array.from({ length: KEYS }, (_, at) => {
    const id = queuedId(round, at);
    return sendWrite(node.pool, { method: "PUT", id, requestId: id, body });
  });
  return Promise.all(writes);
}

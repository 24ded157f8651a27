import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { sendRead, sendWrite } from "./support/http-calls.js";
import { NetworkLab } from "./support/network-lab.js";
import { RaftCluster, type RaftNode } from "./support/raft-cluster.js";

const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 24);
const CUT_MS = Number(process.env.CHAOS_CUT_MS ?? 6_000);
const LATE_MS = 500;
const CALM_MS = 3_000;

interface Cut {
  readonly name: string;
  apply(lab: NetworkLab, leader: number, others: readonly [number, number]): void;
  /** Who goes on writing: the one that led, another one, or nobody. */
  readonly writers: "same" | "other" | "nobody";
  /** Who may neither write nor read above ONE. */
  minority(leader: number, others: readonly [number, number]): readonly number[];
  /** By how much the term may have grown in the end. */
  readonly termsMax: number;
}

const CUTS: readonly Cut[] = [
  {
    name: "2|1, the leader alone",
    apply: (lab, leader, others) => lab.split([leader], others),
    writers: "other",
    minority: (leader) => [leader],
    termsMax: 3,
  },
  {
    name: "2|1, a follower alone",
    apply: (lab, leader, [a, b]) => lab.split([leader, a], [b]),
    writers: "same",
    minority: (_, [, b]) => [b],
    termsMax: 0,
  },
  {
    name: "1|1|1",
    apply: (lab, leader, [a, b]) => lab.split([leader], [a], [b]),
    writers: "nobody",
    minority: (leader, others) => [leader, ...others],
    termsMax: 3,
  },
  {
    name: "one way, nothing of the leader's arrives",
    apply: (lab, leader, others) => {
      for (const other of others) lab.cutOneWay(leader, other);
    },
    writers: "other",
    minority: (leader) => [leader],
    termsMax: 3,
  },
  {
    name: "one way, the leader hears nothing",
    apply: (lab, leader, others) => {
      for (const other of others) lab.cutOneWay(other, leader);
    },
    writers: "other",
    minority: (leader) => [leader],
    termsMax: 3,
  },
  {
    name: "one way, a follower does not hear the leader",
    apply: (lab, leader, [a]) => lab.cutOneWay(leader, a),
    writers: "same",
    minority: () => [],
    termsMax: 0,
  },
  {
    name: "partial, the leader and a follower do not see each other",
    apply: (lab, leader, [a]) => lab.cut(leader, a),
    writers: "same",
    minority: () => [],
    termsMax: 0,
  },
  {
    name: "partial, the followers do not see each other",
    apply: (lab, _, [a, b]) => lab.cut(a, b),
    writers: "same",
    minority: () => [],
    termsMax: 0,
  },
];

describe("raft in a broken network", () => {
  let lab: NetworkLab;
  let cluster: RaftCluster;
  let clients: Clients;

  beforeAll(async () => {
    lab = await NetworkLab.create(3);
    const environment = { NORNICDB_CLUSTER_SECRET: "a secret of the chaos lane" };
    cluster = await RaftCluster.start({ nodes: 3, lab, environment });
    clients = new Clients({ clients: CLIENTS, seed: 2, nodes: () => cluster.nodes, thinkMs: 5 });
    clients.start();
  });

  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  it.each(CUTS)("$name: writes by $writers, no stale answer, no second leader", async (cut) => {
    const leader = await cluster.leader();
    const others = cluster.followers(leader).map(({ index }) => index) as [number, number];
    const term = await cluster.term();
    const acksBefore = clients.acks;
    const startMs = performance.now();
    cut.apply(lab, leader.index, others);
    let resumedMs = 0;
    try {
      if (cut.writers === "other") {
        resumedMs = (await clients.ackAfterTerm(term)).atMs - startMs;
      }
      await sleep(Math.max(0, CUT_MS - (performance.now() - startMs)));
      const acksLate = clients.acks;
      await sleep(LATE_MS);
      const minority = cut
        .minority(leader.index, others)
        .map((at) => cluster.nodes[at] as RaftNode);
      if (cut.writers === "nobody") expect(clients.acks).toBe(acksLate);
      else expect(clients.acks).toBeGreaterThan(acksLate);
      const refusals = await Promise.all(minority.map(refusalsOf));
      for (const refusal of refusals) {
        expect(refusal).toEqual({
          one: "answered",
          write: "NO_QUORUM",
          leader: "NO_QUORUM",
          quorum: "NO_QUORUM",
        });
      }
    } finally {
      lab.healAll();
    }
    const healedMs = performance.now();
    const led = await cluster.leader();
    await cluster.caughtUp((await led.health())?.commit_index ?? 0);
    const equalMs = performance.now() - healedMs;
    await sleep(CALM_MS);
    const grown = (await cluster.term()) - term;
    const report = await clients.nextEpoch();
    console.log(
      `${cut.name}: ${clients.acks - acksBefore} writes, ` +
        `${resumedMs === 0 ? "" : `the next after ${resumedMs.toFixed(0)} ms, `}` +
        `equal ${equalMs.toFixed(0)} ms after healing, ${grown} terms more, ` +
        `${report.operations} checked operations`,
    );
    expect(report.verdict, report.text).toBe("linearizable");
    expect(cluster.leaderships().doubled).toEqual([]);
    expect(grown).toBeLessThanOrEqual(cut.termsMax);
    if (cut.writers === "same") expect((await cluster.leader()).id).toBe(leader.id);
  });

  it("in the end every acknowledged write is on every node", async () => {
    const check = await finalCheck(cluster, clients);
    console.log(check.text);
    expect(check.problems).toEqual([]);
  });
});

/** What a node that sees no majority says to a read here, a write, and reads that promise more. */
async function refusalsOf(node: RaftNode) {
  const id = "refused-in-the-minority";
  const write = { method: "PUT", id, requestId: `${id}-${node.id}-${performance.now()}` } as const;
  const [one, written, leader, quorum] = await Promise.all([
    sendRead(node.pool, id, "ONE"),
    sendWrite(node.pool, { ...write, body: { properties: {} } }),
    sendRead(node.pool, id, "LEADER"),
    sendRead(node.pool, id, "QUORUM"),
  ]);
  return {
    one: one.kind === "failed" ? one.reason : "answered",
    write: written.kind === "refused" ? written.reason : written.kind,
    leader: leader.kind === "failed" ? leader.reason : leader.kind,
    quorum: quorum.kind === "failed" ? quorum.reason : quorum.kind,
  };
}

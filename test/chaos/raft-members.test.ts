import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Clients } from "./support/clients.js";
import { finalCheck } from "./support/final-check.js";
import { RaftCluster, type RaftNode } from "./support/raft-cluster.js";

const CLIENTS = Number(process.env.CHAOS_CLIENTS ?? 24);
const CALM_MS = 4_000;
const NO_LEADER_MS = 6_000;
const ORDER_MS_MAX = 10_000;
const VOTER_MS_MAX = 60_000;

it("members come, go, die and lose their disks under load, and no acknowledged write is lost", async () => {
  await using cluster = await RaftCluster.start({ nodes: 6, founders: 3 });
  const story = new Story(cluster);
  const { clients } = story;
  clients.start();
  const [, , , n4, n5, n6] = cluster.nodes as readonly RaftNode[];

  await story.add(n4 as RaftNode);
  await story.add(n5 as RaftNode);
  await story.checked("a fourth and a fifth node have come");

  const follower = cluster.followers(await cluster.leader())[0] as RaftNode;
  await story.remove(follower);
  await story.restartsQuietly(follower);
  await story.checked("a follower has gone, and its process came back with its old settings");

  const leader = await cluster.leader();
  const term = await cluster.term();
  const next = clients.ackAfterTerm(term);
  await story.remove(leader);
  await next;
  await story.restartsQuietly(leader);
  await story.checked("the leader has gone");

  const dead = cluster.followers(await cluster.leader())[0] as RaftNode;
  await dead.kill();
  story.members.delete(dead);
  await story.add(n6 as RaftNode);
  await story.order("remove", { node_id: dead.id });
  await story.checked("a dead node was replaced");

  await story.wipedVoterDoesNotElect();
  await story.checked("a wiped voter was removed and added again");

  const check = await finalCheck(cluster, clients);
  console.log(check.text);
  expect(check.problems).toEqual([]);
  const members = await story.voters();
  expect(members).toEqual([...story.members].map(({ id }) => id).sort());
});

/** The members there should be, and the orders that make it so. */
class Story {
  readonly cluster: RaftCluster;
  readonly clients: Clients;
  readonly members: Set<RaftNode>;
  #acks = 0;

  constructor(cluster: RaftCluster) {
    this.cluster = cluster;
    this.members = new Set(cluster.running());
    this.clients = new Clients({
      clients: CLIENTS,
      seed: 5,
      thinkMs: 5,
      nodes: () => [...this.members],
    });
  }

  /** An earlier change may still be in its last step; then the order is given again. */
  async order(action: string, args: unknown): Promise<void> {
    const untilMs = performance.now() + ORDER_MS_MAX;
    for (;;) {
      const leader = await this.cluster.leader([...this.members]);
      const { status, body } = await leader.post(`/admin/cluster/${action}`, args);
      if (status === 200) return;
      const isLate = performance.now() > untilMs;
      if (status !== 409 || isLate) throw new Error(JSON.stringify([action, args, body]));
      await sleep(100);
    }
  }

  async add(node: RaftNode): Promise<void> {
    await node.start();
    await this.order("add", { node_id: node.id, address: node.clusterAddress });
    await this.#untilVoters((ids) => ids.includes(node.id));
    this.members.add(node);
  }

  async remove(node: RaftNode): Promise<void> {
    await this.order("remove", { node_id: node.id });
    this.members.delete(node);
    await this.#untilVoters((ids) => !ids.includes(node.id));
  }

  /** A removed node that starts again neither leads nor makes anyone campaign. */
  async restartsQuietly(node: RaftNode): Promise<void> {
    const members = [...this.members];
    const leader = await this.cluster.leader(members);
    await node.kill("SIGTERM");
    await node.start();
    const term = await this.cluster.term(members);
    await sleep(CALM_MS);
    expect(await this.cluster.term(members)).toBe(term);
    expect((await this.cluster.leader(members)).id).toBe(leader.id);
    await node.kill();
  }

  /** With one voter wiped and another dead there is no majority of those who remember. */
  async wipedVoterDoesNotElect(): Promise<void> {
    const { cluster, clients } = this;
    while (this.members.size > 3) {
      const extra = cluster.followers(await cluster.leader())[0] as RaftNode;
      await this.remove(extra);
      await extra.kill();
    }
    const leader = await cluster.leader();
    const [wiped] = cluster.followers(leader) as [RaftNode];
    await wiped.kill();
    wiped.wipe();
    await leader.kill();
    const term = await cluster.term();
    await wiped.start(founderAgain(cluster));
    await sleep(NO_LEADER_MS);
    const healths = await Promise.all(cluster.running().map((node) => node.health()));
    expect(healths.filter((health) => health?.is_leader)).toEqual([]);
    const next = clients.ackAfterTerm(term);
    await leader.start();
    await next;
    await this.remove(wiped);
    await wiped.kill();
    wiped.wipe();
    await this.add(wiped);
  }

  async voters(): Promise<readonly string[]> {
    const leader = await this.cluster.leader([...this.members]);
    const { members } = (await leader.get("/cluster/nodes")) as {
      readonly members: readonly { readonly id: string; readonly role: string }[];
    };
    return members
      .filter(({ role }) => role !== "learner" && role !== "removed")
      .map(({ id }) => id)
      .sort();
  }

  async checked(what: string): Promise<void> {
    const report = await this.clients.nextEpoch();
    const acks = this.clients.acks - this.#acks;
    this.#acks = this.clients.acks;
    console.log(`${what}: ${acks} writes, ${report.operations} checked operations`);
    expect(report.verdict, report.text).toBe("linearizable");
    expect(acks).toBeGreaterThan(0);
  }

  async #untilVoters(isRight: (ids: readonly string[]) => boolean): Promise<void> {
    const untilMs = performance.now() + VOTER_MS_MAX;
    let ids = await this.voters();
    while (!isRight(ids)) {
      if (performance.now() > untilMs) throw new Error(`still ${ids.join(", ")}`);
      await sleep(100);
      ids = await this.voters();
    }
  }
}

/** What the settings of a founder say, for a node that was added later, too. */
function founderAgain(cluster: RaftCluster): Readonly<Record<string, string>> {
  const peers = cluster.nodes.map(({ id, clusterAddress }) => `${id}:${clusterAddress}`);
  return {
    NORNICDB_CLUSTER_RAFT_PEERS: peers.join(","),
    NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
  };
}

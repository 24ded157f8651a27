import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { type Ended, runNode } from "./support/ended.js";
import { NORNICCTL } from "./support/nornicd.js";
import { RaftCluster, until } from "./support/raft-cluster.js";

const FOUNDERS = ["n1", "n2", "n3"];
const folder = mkdtempSync(path.join(tmpdir(), "raft-operations-"));
let cluster: RaftCluster;

beforeAll(async () => {
  cluster = await RaftCluster.make(folder, [...FOUNDERS, "n4"]);
  await Promise.all(FOUNDERS.map((id) => cluster.start(id, FOUNDERS)));
  await cluster.leader();
});
afterAll(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

interface Member {
  readonly id: string;
  readonly address: string;
  readonly role: string;
  readonly healthy: boolean;
  readonly lag: number | null;
}

function nornicctl(at: string, ...args: string[]): Promise<Ended> {
  // Nobody listens at the first: the next one is asked.
  const endpoints = `http://127.0.0.1:1,${cluster.node(at).url}`;
  return runNode([NORNICCTL, "--endpoint", endpoints, ...args]);
}

async function ok(at: string, ...args: string[]): Promise<Ended> {
  const ended = await nornicctl(at, ...args);
  expect(ended, args.join(" ")).toMatchObject({ code: 0, err: "" });
  return ended;
}

async function members(at: string): Promise<readonly Member[]> {
  return (await ask(`${cluster.node(at).url}/cluster/status`)).body.members;
}

async function write(at: string, id: string) {
  const answer = await ask(`${cluster.node(at).url}/nodes/${id}`, "PUT", { labels: ["X"] });
  expect([200, 201], answer.text).toContain(answer.status);
  expect(answer.body.receipt.durability).toBe("quorum");
}

const has = async (at: string, id: string) =>
  (await ask(`${cluster.node(at).url}/nodes/${id}?consistency=ONE`)).status === 200;

describe("a cluster of three", () => {
  it("HT-12 leader and followers tell the same members, each with what it has", async () => {
    await write("n1", "first");
    const [leader, follower] = [await cluster.leader(), await cluster.follower()];
    for (const at of [leader, follower]) {
      const seen = await until("all are well", async () => {
        const all = await members(at);
        return all.every(({ healthy, lag }) => healthy && lag === 0) && all;
      });
      expect(seen.map(({ id }) => id).sort()).toEqual(FOUNDERS);
      expect(seen.map(({ role }) => role).sort()).toEqual(["follower", "follower", "leader"]);
      for (const { id, address } of seen) expect(address).toBe(cluster.address(id));
      expect((await ask(`${cluster.node(at).url}/cluster/health`)).status).toBe(200);
    }
    const statuses = async (route: string) =>
      Promise.all(
        [leader, follower].map(async (at) => (await ask(`${cluster.node(at).url}${route}`)).status),
      );
    expect(await statuses("/leader")).toEqual([200, 503]);
    expect(await statuses("/primary")).toEqual([200, 503]);
    expect(await statuses("/replica?lag=10")).toEqual([503, 200]);
    expect(await statuses("/read-only")).toEqual([200, 200]);
    expect(await statuses("/readyz")).toEqual([200, 200]);
    const { body } = await ask(`${cluster.node(follower).url}/admin/replication/lag`);
    expect(body.peers).toHaveLength(2);
    const { text } = await ask(`${cluster.node(leader).url}/metrics`);
    expect(text).toContain(`nornicdb_peer_healthy{peer="${follower}"} 1`);
    expect(text).toMatch(/nornicdb_cluster_leader_changes_total [1-9]/);
    expect(text).toMatch(/nornicdb_raft_term [1-9]/);
  });

  it("HT-8 a follower sends a write on: by itself, or with 307 to the leader's HTTP (FC-154)", async () => {
    const [leader, follower] = [await cluster.leader(), await cluster.follower()];
    await write(follower, "forwarded");
    const url = `${cluster.node(follower).url}/nodes/redirected?redirect=true`;
    const answer = await until("the leader's address is known", async () => {
      const found = await ask(url, "PUT", {});
      return found.status === 307 && found;
    });
    const location = answer.headers.get("location") as string;
    expect(location).toBe(`${cluster.node(leader).url}/nodes/redirected`);
    expect([200, 201]).toContain((await ask(location, "PUT", {})).status);
  });

  it("NC-13 leadership is handed over by a command to any node", async () => {
    const [leader, follower] = [await cluster.leader(), await cluster.follower()];
    await ok(follower, "transfer-leader", follower);
    await until("it leads", async () => (await cluster.leader()) === follower);
    await ok(leader, "step-down");
    await until("it leads no more", async () => (await cluster.leader()) !== follower);
    const wrong = await nornicctl(leader, "--json", "transfer-leader", "n9");
    expect(wrong.code).toBe(1);
    expect(JSON.parse(wrong.err).error).toMatchObject({ exit: 1 });
    await write(leader, "after-handover");
  });

  it("NC-13 a node is taken in and catches up, another is taken out, and all writes stay", async () => {
    await cluster.start("n4", []);
    const at = await cluster.follower();
    expect((await ok(at, "member", "add", "n4", cluster.address("n4"))).out).toContain("n4");
    expect((await nornicctl(at, "member", "add", "n4", cluster.address("n4"))).code).toBe(1);
    await until("n4 votes", async () =>
      (await members(at)).some(
        ({ id, role, lag }) => id === "n4" && role === "follower" && lag === 0,
      ),
    );
    await until("n4 has it all", () => has("n4", "after-handover"));
    const gone =
      (await cluster.follower()) === "n4" ? await cluster.leader() : await cluster.follower();
    await ok("n4", "member", "remove", gone);
    const left = await until("it is gone", async () => {
      const now = await members("n4");
      return now.length === 3 && now;
    });
    expect(left.map(({ id }) => id)).not.toContain(gone);
    const listed = JSON.parse((await ok("n4", "--json", "member", "list")).out);
    expect(listed.members).toHaveLength(3);
    const unknown = await nornicctl("n4", "--json", "member", "remove", gone);
    expect([unknown.code, JSON.parse(unknown.err).error.code]).toEqual([1, "NOT_FOUND"]);
    await write("n4", "after-change");
    expect((await ask(`${cluster.node(gone).url}/leader`)).status).toBe(503);
    expect(await cluster.kill(gone, "SIGTERM")).toBe(0);
    cluster.wipe(gone);
  });

  it("NC-13 a member that lost its disk is seeded again under its name (FC-050)", async () => {
    const wiped = await cluster.follower();
    await cluster.kill(wiped, "SIGKILL");
    cluster.wipe(wiped);
    await cluster.start(wiped, []);
    await until("it has it all", () => has(wiped, "after-change"));
    await until("it votes again", async () =>
      (await members(wiped)).some(
        ({ id, role, healthy }) => id === wiped && role === "follower" && healthy,
      ),
    );
    await write(wiped, "after-wipe");
  });

  it("NC-13 a member that comes back at another address tells the others where it is", async () => {
    const moved = await cluster.follower();
    expect(await cluster.kill(moved, "SIGTERM")).toBe(0);
    await write(await cluster.leader(), "while-away");
    await cluster.move(moved);
    await cluster.start(moved, FOUNDERS);
    await until("the others know", async () =>
      (await members(moved)).some(
        ({ id, address, healthy }) => id === moved && healthy && address === cluster.address(moved),
      ),
    );
    await until("it has it all", () => has(moved, "while-away"));
    await write(moved, "after-move");
  });

  it("NC-13 a running node is copied, verified and asked for its lag and history", async () => {
    const at = await cluster.follower();
    const file = path.join(folder, "copy.snap");
    expect((await ok(at, "snapshot", "save", file)).out).toContain("whole    yes");
    expect((await ok(at, "verify")).out).toMatch(/^equal at .*\nreplicas: equal/);
    expect((await ok(at, "lag", "--max", "1000")).out).toContain("this node");
    expect((await ok(at, "history")).out).toContain("leader");
    expect((await ok(at, "status")).out).toContain("mode       raft");
    const position = await ask(`${cluster.node(at).url}/admin/wal/position`);
    const kept = await ask(`${cluster.node(at).url}/admin/raft/snapshot`, "POST", {});
    expect(kept.status).toBe(200);
    expect(kept.body.index).toBeGreaterThanOrEqual(position.body.applied.index);
    expect(kept.body.first_index).toBeGreaterThanOrEqual(1);
  });
});

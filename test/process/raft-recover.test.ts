import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { ask } from "./support/ask.js";
import { runNode } from "./support/ended.js";
import { NORNICCTL, startNornicd } from "./support/nornicd.js";
import { RaftCluster, until } from "./support/raft-cluster.js";

const FOUNDERS = ["n1", "n2", "n3"];
const folder = mkdtempSync(path.join(tmpdir(), "raft-recover-"));
let cluster: RaftCluster;

afterAll(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true });
});

const put = (at: string, id: string, timeout = "10s") =>
  ask(`${cluster.node(at).url}/nodes/${id}?timeout=${timeout}`, "PUT", {});
const has = async (at: string, id: string) =>
  (await ask(`${cluster.node(at).url}/nodes/${id}?consistency=ONE`)).status === 200;

it("NC-14 the last node of a lost quorum becomes the only voter with all it has, and the others are taken in again", async () => {
  cluster = await RaftCluster.make(folder, FOUNDERS);
  await Promise.all(FOUNDERS.map((id) => cluster.start(id, FOUNDERS)));
  const leader = await cluster.leader();
  expect((await put(leader, "kept")).status).toBe(201);
  const [last, ...lost] = FOUNDERS.filter((id) => id !== leader).concat(leader) as [
    string,
    string,
    string,
  ];
  await until("the last has it", () => has(last, "kept"));
  for (const id of lost) await cluster.kill(id, "SIGKILL");
  await until("it knows", async () => {
    const { body } = await ask(`${cluster.node(last).url}/cluster/status`);
    return body.write_outage === true;
  });
  expect((await ask(`${cluster.node(last).url}/health`)).status).toBe(503);
  expect((await put(last, "refused", "2s")).body.code).toMatch(/NO_LEADER|COMMIT_UNKNOWN/);

  const environment = cluster.environment(last, FOUNDERS);
  const recover = (...args: string[]) => runNode([NORNICCTL, "recover", ...args], environment);
  const running = await recover("--yes");
  expect([running.code, running.err]).toEqual([1, expect.stringContaining("LOCKED")]);
  expect(await cluster.kill(last, "SIGTERM")).toBe(0);

  const before = await runNode([NORNICCTL, "--json", "wal", "info"], environment);
  const dry = await recover();
  expect([dry.code, dry.err]).toEqual([0, ""]);
  expect(dry.out).toContain("nothing was changed");
  const told = JSON.parse((await recover("--json")).out);
  expect(told).toMatchObject({ nodeId: last, lost: lost.sort(), written: null });
  const after = await runNode([NORNICCTL, "--json", "wal", "info"], environment);
  expect(JSON.parse(after.out).last).toEqual(JSON.parse(before.out).last);

  const done = await recover("--yes");
  expect([done.code, done.err]).toEqual([0, ""]);
  expect(done.out).toContain(`${last} is the only voter from index ${told.last.index + 1}`);
  await cluster.start(last, FOUNDERS);
  expect(await cluster.leader()).toBe(last);
  expect(await has(last, "kept")).toBe(true);
  expect((await put(last, "alone")).status).toBe(201);

  for (const id of lost) {
    cluster.wipe(id);
    await cluster.start(id, []);
    const args = ["--endpoint", cluster.node(last).url, "member", "add", id, cluster.address(id)];
    expect((await runNode([NORNICCTL, ...args])).code).toBe(0);
    await until(`${id} votes and has all`, async () => {
      const { body } = await ask(`${cluster.node(last).url}/cluster/status`);
      const member = body.members.find((one: { id: string }) => one.id === id);
      return member?.role === "follower" && (await has(id, "alone"));
    });
  }
  await cluster.kill(last, "SIGKILL");
  const next = await cluster.leader();
  expect((await put(next, "going-on")).status).toBe(201);
});

it("NC-14 a standalone node, and one restored from a snapshot, become a cluster with what they hold", async () => {
  const one = await RaftCluster.make(path.join(folder, "one"), ["a", "b"]);
  try {
    const dataDir = one.folder("a");
    const alone = await startNornicd({ dataDir, environment: replicationIn(dataDir) });
    expect((await ask(`${alone.url}/nodes/from-standalone`, "PUT", {})).status).toBe(201);
    const file = path.join(folder, "one.snap");
    const saved = await runNode([NORNICCTL, "--endpoint", alone.url, "snapshot", "save", file]);
    expect(saved.code).toBe(0);
    expect((await ask(`${alone.url}/nodes/after-copy`, "PUT", {})).status).toBe(201);
    expect((await alone.kill("SIGTERM")).code).toBe(0);

    const environment = {
      ...one.environment("a", []),
      NORNICDB_CLUSTER_NODE_ID: await idOf(dataDir),
    };
    const recovered = await runNode([NORNICCTL, "recover", "--yes"], environment);
    expect([recovered.code, recovered.err]).toEqual([0, ""]);
    expect(recovered.out).toContain("it was not in a cluster");
    const first = await startNornicd({ dataDir, environment });
    await until("it leads", async () => (await ask(`${first.url}/leader`)).status === 200);
    expect((await ask(`${first.url}/nodes/after-copy`)).status).toBe(200);
    await one.start("b", []);
    const add = ["--endpoint", first.url, "member", "add", "b", one.address("b")];
    expect((await runNode([NORNICCTL, ...add])).code).toBe(0);
    await until("b has it all", async () => {
      const answer = await ask(`${one.node("b").url}/nodes/after-copy?consistency=ONE`);
      return answer.status === 200;
    });
    await one.close();
    await first.kill("SIGTERM");

    const restore = [NORNICCTL, "snapshot", "restore", file, "--force"];
    expect((await runNode(restore, environment)).code).toBe(0);
    expect((await runNode([NORNICCTL, "recover", "--yes"], environment)).code).toBe(0);
    const again = await startNornicd({ dataDir, environment });
    await until("it leads", async () => (await ask(`${again.url}/leader`)).status === 200);
    expect((await ask(`${again.url}/nodes/from-standalone`)).status).toBe(200);
    expect((await ask(`${again.url}/nodes/after-copy`)).status).toBe(404);
    const { body } = await ask(`${again.url}/cluster/status`);
    expect(body.members).toHaveLength(1);
    await again.kill("SIGKILL");
  } finally {
    await one.close();
  }
});

const replicationIn = (dataDir: string) => ({
  NORNICDB_CLUSTER_DATA_DIR: path.join(dataDir, "replication"),
});

async function idOf(dataDir: string): Promise<string> {
  const { node_id } = JSON.parse(readFileSync(path.join(dataDir, "replication/node.json"), "utf8"));
  return node_id as string;
}

it("NC-14 without a log, or with settings of another mode, nothing is recovered", async () => {
  const nowhere = { NORNICDB_DATA_DIR: path.join(folder, "nowhere") };
  const none = await runNode([NORNICCTL, "recover", "--yes"], {
    ...cluster.environment("n1", FOUNDERS),
    ...nowhere,
    NORNICDB_CLUSTER_DATA_DIR: path.join(folder, "nowhere"),
  });
  expect([none.code, none.err]).toEqual([1, expect.stringContaining("NO_LOG")]);
  const standalone = await runNode([NORNICCTL, "recover", "--yes"], nowhere);
  expect([standalone.code, standalone.err]).toEqual([64, expect.stringContaining("USAGE")]);
});

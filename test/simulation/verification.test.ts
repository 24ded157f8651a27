import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../pkg/base/index.js";
import type { ContentRecord } from "../../pkg/replication/ports/index.js";
import { openSqliteStorage } from "../../pkg/storage/index.js";
import { VerificationWorld } from "./verification-world.js";

/** Things that were never written so, put where they do not belong. */
function strange(keys: readonly string[]): readonly ContentRecord[] {
  return keys.map((key) => ({
    key: `n:${key}`,
    value: { kind: "n", id: key, labels: "[]", properties: '{"strange":true}', version: 1 },
  }));
}

async function diverge(world: VerificationWorld, id: string, keys: readonly string[]) {
  await world.node(id).storage.content?.repair(strange(keys));
}

async function expectEqual(world: VerificationWorld): Promise<void> {
  const { right, found } = await world.digests();
  for (const { id, kept, stored } of found) {
    expect({ id, kept, stored }).toEqual({ id, kept: right, stored: right });
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `strange${i}`);

describe("VF-6 what differs is repaired up to ten things, and replaced beyond", () => {
  test.each([
    [1, "repair"],
    [10, "repair"],
    [11, "sync"],
  ] as const)(
    "VF-6 VF-7 %i things: %s, while writes go on (FC-123, FC-125)",
    async (count, how) => {
      const world = await VerificationWorld.make({ seed: count, nodes: 3, intervalMs: 3_600_000 });
      world.load(500);
      await world.settled();
      await diverge(world, "n3", names(count));
      world.load(3_000);
      const report = await world.verify();
      expect(report).toMatchObject({ result: "equal", equal: true });
      const [first] = report.rounds as never as { nodes: { id: string; action: string }[] }[];
      expect(first?.nodes.map(({ id, action }) => [id, action])).toEqual([
        ["n1", "none"],
        ["n2", "none"],
        ["n3", how],
      ]);
      expect(world.events("replica_repaired")).toMatchObject([{ node: "n3", fields: { how } }]);
      await expectEqual(world);
    },
  );

  test("VF-6 VF-10 what was found is logged, counted and written down with keys and commands", async () => {
    const world = await VerificationWorld.make({ seed: 5, nodes: 3, intervalMs: 3_600_000 });
    world.write([{ op: "put_node", id: "a", properties: { v: 1 } }]);
    world.write([{ op: "put_node", id: "b", properties: { v: 1 } }]);
    await world.settled();
    await world
      .node("n2")
      .storage.content?.repair([...strange(["a", "extra"]), { key: "n:b", value: null }]);
    const report = await world.verify();
    const [first] = report.rounds as never as { dump: string; nodes: { mismatches: unknown }[] }[];
    expect(first?.nodes[1]?.mismatches).toMatchObject([
      { key: "n:a", type: "CHECKSUM_MISMATCH", version: 1, rightVersion: 1 },
      {
        key: "n:b",
        type: "KEY_NOT_FOUND",
        version: null,
        rightVersion: 2,
        rightCommand: "node_put",
      },
      { key: "n:extra", type: "EXTRA_KEY", version: 1, rightVersion: null },
    ]);
    expect(world.events("replica_differs")).toMatchObject([
      { node: "n1", fields: { peer: "n2", differences: 3, action: "repair" } },
    ]);
    expect(world.node("n1").disk.list("/found")).toEqual([first?.dump.slice("/found/".length)]);
    await expectEqual(world);
  });

  test("VF-5 a round by itself finds a difference within ten intervals, and sees its repair through", async () => {
    const world = await VerificationWorld.make({ seed: 6, nodes: 3, intervalMs: 1_000 });
    world.load(2_000);
    await world.settled();
    await diverge(world, "n2", names(3));
    world.load(15_000);
    await world.time.advance(16_000);
    expect(world.events("replica_repaired")).toHaveLength(1);
    await expectEqual(world);
    expect(world.refusal("n2")).toBeUndefined();
  });

  test("VF-8 a leader that differs hands over, and its successor has it put right", async () => {
    const world = await VerificationWorld.make({ seed: 7, nodes: 3, intervalMs: 3_600_000 });
    world.load(300);
    await world.time.advance(400);
    await world.settled();
    await diverge(world, "n1", names(2));
    world.load(3_000);
    const report = await world.verify("n1" as NodeId);
    expect(world.leader).not.toBe("n1");
    expect(report.then).toMatchObject({ result: "equal" });
    await expectEqual(world);
    expect(world.refusal("n1")).toBeUndefined();
  });

  test("VF-4 two that differ are reported and left alone: nobody can say who is right", async () => {
    const world = await VerificationWorld.make({ seed: 8, nodes: 2, intervalMs: 3_600_000 });
    world.load(300);
    await world.time.advance(400);
    await world.settled();
    await diverge(world, "n2", names(1));
    const before = await world.node("n2").storage.digest();
    const report = await world.verify();
    expect(report).toMatchObject({ result: "different", equal: false });
    expect(world.events("replica_differs")).toHaveLength(2);
    await world.settled();
    expect((await world.node("n2").storage.digest()).shards).toEqual(before.shards);
    expect(world.events("replica_repaired")).toHaveLength(0);
  });

  test("VF-4 without a majority that answers nothing is judged, and unknown is not equal (FC-124)", async () => {
    const world = await VerificationWorld.make({ seed: 9, nodes: 3, intervalMs: 3_600_000 });
    world.load(300);
    await world.time.advance(400);
    await world.settled();
    world.setDown("n3", true);
    expect(await world.verify()).toMatchObject({ result: "unknown", equal: false });
    await diverge(world, "n2", names(1));
    expect(await world.verify()).toMatchObject({ result: "different" });
    expect(world.events("replica_repaired")).toHaveLength(0);
    world.setDown("n3", false);
    expect(await world.verify()).toMatchObject({ result: "equal" });
    await expectEqual(world);
  });
});

test("VF-9 while it waits to be put right a replica refuses strong reads, until it is proven equal (FC-130)", async () => {
  const world = await VerificationWorld.make({ seed: 10, nodes: 3, intervalMs: 3_600_000 });
  world.load(300);
  await world.time.advance(400);
  await world.settled();
  await diverge(world, "n3", names(1));
  const asked = world.node("n1").verification.verify();
  await world.time.runUntil(() => world.refusal("n3") !== undefined, { ticksMax: 50_000 });
  expect(world.refusal("n3")?.code).toBe("LAGGING");
  await world.time.run(asked, { ticksMax: 200_000 });
  expect(world.refusal("n3")).toBeUndefined();
});

test("VF-9 a replica that is elected although it differs hands over again, and is put right (FC-130)", async () => {
  const world = await VerificationWorld.make({ seed: 11, nodes: 3, intervalMs: 3_600_000 });
  world.load(300);
  await world.time.advance(400);
  await world.settled();
  await diverge(world, "n1", names(1));
  const asked = world
    .node("n1")
    .verification.verify()
    .catch(() => {});
  await world.time.runUntil(() => world.leader !== "n1", { ticksMax: 50_000 });
  world.leader = "n1" as NodeId;
  expect(world.refusal("n1")?.code).toBe("LAGGING");
  await world.time.advance(30_000);
  await world.time.run(asked, { ticksMax: 100_000 });
  expect(world.leader).not.toBe("n1");
  expect(world.refusal("n1")).toBeUndefined();
  await expectEqual(world);
});

test("VF-2 rounds amid writes, delays and lost messages raise no alarm (FC-123)", async () => {
  for (const seed of [20]) {
    const world = await VerificationWorld.make({
      seed,
      nodes: 3,
      intervalMs: 1_000,
      lossPercent: 2,
    });
    world.load(30_000, 400);
    await world.time.advance(31_000);
    expect(world.events("replicas_compared").length).toBeGreaterThan(20);
    expect(world.events("replica_differs")).toEqual([]);
    await expectEqual(world);
  }
});

test("VF-13 rounds that take longer than the interval do not follow each other at once (FC-128)", async () => {
  const [intervalMs, answerMs, ms] = [1_000, 3_000, 40_000];
  const world = await VerificationWorld.make({ seed: 21, nodes: 3, intervalMs });
  let under = 0;
  let most = 0;
  for (const { id, storage } of world.nodes.values()) {
    const { content } = storage;
    if (content === undefined) throw new Error("it can be compared");
    const inspect = content.inspect.bind(content);
    content.inspect = async (query) => {
      if (id === "n3") under += 1;
      most = Math.max(most, under);
      await new Promise<void>((resolve) => void world.time.after(answerMs, resolve));
      if (id === "n3") under -= 1;
      return inspect(query);
    };
  }
  world.load(ms);
  await world.time.advance(ms);
  const rounds = world.events("replicas_compared").length;
  expect(rounds).toBeGreaterThan(3);
  expect(rounds).toBeLessThanOrEqual(ms / (answerMs + intervalMs));
  expect(most).toBe(1);
  const { length } = world.log.filter(({ kind }) => kind === "marker");
  expect(length).toBeLessThanOrEqual(rounds + 1);
});

test("VF-11 whatever differs, gets lost or stops, in the end every replica is what the log says", async () => {
  for (let seed = 100; seed < 112; seed += 1) {
    const world = await VerificationWorld.make({
      seed,
      nodes: seed % 3 === 0 ? 5 : 3,
      intervalMs: 500,
      lossPercent: 10,
    });
    const { random } = world;
    world.load(4_000);
    await world.time.advance(500);
    const victim = `n${random.between(1, world.nodes.size)}`;
    await diverge(world, victim, [
      ...names(random.between(0, 14)),
      ...(random.chance(1, 2) ? ["k1", "k2"] : []),
    ]);
    const stopped = `n${random.between(1, world.nodes.size)}`;
    if (random.chance(1, 2)) world.setDown(stopped, true);
    await world.time.advance(random.between(500, 3_000));
    world.setDown(stopped, false);
    world.loseNothing();
    await world.time.advance(25_000);
    for (let tries = 0; tries < 3; tries += 1) await world.verify();
    await expectEqual(world);
    for (const id of world.nodes.keys())
      expect({ seed, id, refusal: world.refusal(id) }).toEqual({ seed, id, refusal: undefined });
  }
});

describe("the SQLite file was changed while its node was stopped", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "verification-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test.each([
    [1, "repair"],
    [10, "repair"],
    [11, "sync"],
  ] as const)("VF-3 VF-6 %i changed rows are found by their bytes: %s", async (count, how) => {
    const path = (id: string) => join(folder, id, "graph.db");
    const open = (id: string) => openSqliteStorage({ path: path(id), threads: "single" });
    const world = await VerificationWorld.make({ seed: 3, nodes: 3, intervalMs: 3_600_000, open });
    const put = (i: number) => ({ op: "put_node", id: `r${i}`, properties: { i } }) as const;
    for (let i = 0; i < 60; i += 1) world.write([put(i)]);
    await world.settled();
    const file = new Database(path("n2"));
    const sql = `UPDATE nodes SET properties = '{"i":-1}' WHERE rowid <= ?`;
    expect(file.prepare(sql).run(count).changes).toBe(count);
    file.close();
    world.load(1_000);
    const report = await world.verify();
    expect(report).toMatchObject({ result: "equal" });
    expect(world.events("replica_repaired")).toMatchObject([{ node: "n2", fields: { how } }]);
    await expectEqual(world);
    await world.close();
  });

  test("VF-5 a sample finds it without being asked, in ten rounds at most", async () => {
    const path = (id: string) => join(folder, id, "graph.db");
    const open = (id: string) => openSqliteStorage({ path: path(id), threads: "single" });
    const world = await VerificationWorld.make({ seed: 4, nodes: 3, intervalMs: 1_000, open });
    for (let i = 0; i < 40; i += 1) world.write([{ op: "put_node", id: `r${i}` }]);
    await world.settled();
    const file = new Database(path("n3"));
    file.exec("DELETE FROM nodes WHERE id = 'r7'");
    file.close();
    const repaired = () => world.events("replica_repaired").length > 0;
    await world.time.runUntil(repaired, { ticksMax: 100_000 });
    const found = world.lines.findIndex(({ event }) => event === "replica_differs");
    const rounds = world.lines.slice(0, found).filter(({ event }) => event === "replicas_compared");
    expect(rounds.length).toBeLessThan(10);
    expect(world.events("replica_repaired")).toMatchObject([
      { node: "n3", fields: { how: "repair" } },
    ]);
    await expectEqual(world);
    await world.close();
  });
});

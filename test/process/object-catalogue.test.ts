import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Replicator } from "../../pkg/index.js";
import type { ObjectOperation, SqliteObjectCatalogue } from "../../pkg/storage/index.js";
import { runNode } from "./support/ended.js";
import { ROOT } from "./support/nornicd.js";
import { freePorts, until } from "./support/raft-cluster.js";

type Library = typeof import("../../pkg/index.js");
type StorageRoom = typeof import("../../pkg/storage/index.js");

// The replication thread is started from JavaScript files: these tests need a build.
const built = (file: string) => import(path.join(ROOT, "dist", file));
const { createReplicator, loadConfig } = (await built("pkg/index.js")) as Library;
const { encodeObjectOperation, openObjectCatalogue } = (await built(
  "pkg/storage/index.js",
)) as StorageRoom;

const home = mkdtempSync(path.join(tmpdir(), "object-catalogue-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Member {
  readonly id: string;
  readonly catalogue: SqliteObjectCatalogue;
  readonly replicator: Replicator;
}

async function start(id: string, environment: Record<string, string>): Promise<Member> {
  const directory = path.join(home, id);
  mkdirSync(directory, { recursive: true });
  const { config } = loadConfig({ env: { NORNICDB_DATA_DIR: directory, ...environment } });
  const catalogue = await openObjectCatalogue({ path: path.join(directory, "objects.db") });
  const replicator = createReplicator(config, catalogue);
  await replicator.start();
  return { id, catalogue, replicator };
}

const write = (replicator: Replicator, operation: ObjectOperation, requestId?: string) =>
  replicator.apply({ ...encodeObjectOperation(operation), requestId: requestId as never });

async function put(replicator: Replicator, key: string): Promise<void> {
  const replicas = [{ segment: "s1", offset: 0, bytes: 10 }];
  const { index } = await write(replicator, { op: "put_start", key, replicas });
  await write(replicator, { op: "put_end", key, put: index });
}

const keysOf = async ({ catalogue, replicator }: Member) => {
  const at = await replicator.read("ONE");
  return (await catalogue.findObjects({ limit: 100 }, at)).items.map(({ key }) => key);
};

const MOUNT = { op: "mount_segment", segment: "s1", bytes: 1_000, address: "s1:9000" } as const;

describe.each(["worker", "single"])("alone, replication thread: %s", (threads) => {
  it("OC-17 a catalogue is written, read, and there again after a restart", async () => {
    const environment = { NORNICDB_CLUSTER_THREADS: threads };
    for (const round of [1, 2]) {
      const one = await start(`alone-${threads}`, environment);
      await write(one.replicator, MOUNT, "mount");
      await put(one.replicator, `round-${round}`);
      const repeated = await write(one.replicator, MOUNT, "mount");
      expect(repeated).toMatchObject({ durability: "local", replayed: true });
      await expect(write(one.replicator, { op: "remove", key: "none" })).rejects.toMatchObject({
        code: "NOT_FOUND",
        outcome: "not_applied",
      });
      const expected = round === 1 ? ["round-1"] : ["round-1", "round-2"];
      expect(await keysOf(one)).toEqual(expected);
      await one.replicator.shutdown();
    }
  });
});

describe("a cluster of three", () => {
  it("OC-17 a catalogue is the same on three nodes, and outlives the loss of its leader", async () => {
    const ids = ["o1", "o2", "o3"];
    const ports = await freePorts(ids.length);
    const peers = ids.map((id, at) => `${id}:127.0.0.1:${ports[at]}`).join(",");
    const members = await Promise.all(
      ids.map((id, at) =>
        start(id, {
          NORNICDB_CLUSTER_MODE: "raft",
          NORNICDB_CLUSTER_NODE_ID: id,
          NORNICDB_CLUSTER_BIND_ADDR: `127.0.0.1:${ports[at]}`,
          NORNICDB_CLUSTER_RAFT_PEERS: peers,
          NORNICDB_CLUSTER_RAFT_BOOTSTRAP: "true",
        }),
      ),
    );
    const leaderId = await (members[0] as Member).replicator.waitForLeader(20_000);
    const leader = members.find(({ id }) => id === leaderId) as Member;
    const others = members.filter(({ id }) => id !== leader.id) as [Member, Member];
    const [first, second] = others;
    await write(first.replicator, MOUNT);
    for (let n = 1; n <= 5; n += 1) await put(first.replicator, `k${n}`);
    const stale = await write(first.replicator, { op: "remove", key: "k1" });
    expect(stale.durability).toBe("quorum");
    const objects = [
      { key: "k1", version: stale.index },
      { key: "k2", version: 1 },
      { key: "k3", version: (await leader.catalogue.getObject("k3", stale))?.version ?? 0 },
    ];
    const evicted = await write(second.replicator, { op: "evict", objects });
    expect(evicted.result).toEqual({ op: "evict", evicted: ["k3"], kept: ["k1", "k2"] });
    await leader.replicator.shutdown();
    const late = await until("the others go on", () =>
      write(
        second.replicator,
        { op: "put_start", key: "late", replicas: [{ segment: "s1", offset: 0, bytes: 1 }] },
        "late",
      ),
    );
    await until(
      "both have it",
      async () => (await first.catalogue.getWALPosition()).index >= late.index,
    );
    for (const member of others) {
      const at = await member.replicator.read("QUORUM");
      expect((await member.catalogue.getWALPosition()).index).toBeGreaterThanOrEqual(at.index);
      expect(await keysOf(member)).toEqual(["k2", "k4", "k5"]);
    }
    const [mine, theirs] = await Promise.all(others.map(({ catalogue }) => catalogue.digest()));
    expect(mine).toEqual(theirs);
    expect(await first.catalogue.recomputeDigest()).toEqual(mine);
    await Promise.all(others.map(({ replicator }) => replicator.shutdown()));
  });
});

describe("examples/objects", () => {
  it("OC-17 does what its page says", async () => {
    const program = path.join(ROOT, "dist/examples/objects/main.js");
    const { code, out, err } = await runNode([program, "--folder", path.join(home, "example")]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.trimEnd().split("\n")).toEqual([
      "under way: nothing",
      "put: video",
      "page-1 lies at dram-2+1048576",
      "evicted while all may be leased: nothing to take",
      'evicted: {"op":"evict","evicted":["page-1"],"kept":[]}',
      "without dram-2: video",
      expect.stringMatching(/^shards with something in them: [2-4]$/),
    ]);
  });
});

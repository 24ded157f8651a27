import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Counting } from "./support/counting.js";
import { runNode } from "./support/ended.js";
import { NORNICCTL } from "./support/nornicd.js";
import { until } from "./support/raft-cluster.js";
import { RegionsCluster } from "./support/regions-cluster.js";

let folder: string;
let regions: RegionsCluster;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "multi-region-operations-"));
});
afterEach(async () => {
  await regions.close();
  rmSync(folder, { recursive: true });
});

async function put(at: string, id: string, properties: object = {}): Promise<void> {
  const { status, text } = await regions.put(at, id, properties);
  expect([200, 201], text).toContain(status);
}

const urlsOf = (region: string) => () =>
  regions
    .running()
    .filter((id) => id.startsWith(region))
    .map((id) => regions.node(id).url);

it("MR-30, MR-31 two regions of three: leaders of both are killed while both count, and no step is lost or doubled (FC-114)", async () => {
  regions = await RegionsCluster.make(folder, { nodes: { eu: 3, us: 3 } });
  await regions.startAll();
  for (const id of ["eu", "us"]) await put("eu1", id, { n: 0 });
  for (const id of ["eu", "us"]) await regions.sees("us1", id, { n: 0 });
  const counting = ["eu", "us"].map((region) => new Counting(urlsOf(region), region, 4));
  const reach = (more: number) => Promise.all(counting.map((one) => one.reach(more)));
  await reach(30);
  for (const region of ["eu", "us"]) {
    const leader = await regions.leader(region);
    await regions.kill(leader);
    await reach(30);
    await regions.start(leader);
    await reach(30);
  }
  const totals = await Promise.all(counting.map((one) => one.stop()));
  for (const [at, region] of ["eu", "us"].entries()) {
    for (const id of regions.running()) await regions.sees(id, region, { n: totals[at] });
  }
  await regions.converged();
  for (const region of ["eu1", "us1"]) {
    const verified = await regions.ctl(region, "--json", "verify");
    expect(JSON.parse(verified.out)).toMatchObject({ equal: true, replicas: { equal: true } });
  }
  expect(await regions.conflicts("us1")).toEqual([]);
}, 240_000);

it("MR-18, MR-23, WI-5 a raft cluster becomes a region on the same directories, and no other mode takes it back (FC-161)", async () => {
  regions = await RegionsCluster.make(folder, { nodes: { eu: 1, us: 1 } });
  const asRaft = { NORNICDB_CLUSTER_MODE: "raft" };
  await regions.start("eu1", [], asRaft);
  await regions.leader("eu");
  for (let n = 0; n < 20; n += 1) await put("eu1", `x${n}`, { n });
  await regions.kill("eu1", "SIGTERM");
  await regions.start("eu1", []);
  await regions.leader("eu");
  expect(await regions.properties("eu1", "x19")).toEqual({ n: 19 });
  await put("eu1", "since", { v: 1 });
  await regions.kill("eu1", "SIGTERM");
  await expect(regions.start("eu1", [], asRaft)).rejects.toThrow(/region/);
  const renamed = { NORNICDB_CLUSTER_REGION_ID: "asia" };
  await regions.start("eu1", [], renamed);
  await until("it says whose data it has", async () => {
    const { healthy, reason } = await regions.health("eu1");
    return healthy === false && /that of region "eu"/.test(reason);
  });
  const refused = await regions.put("eu1", "refused");
  expect([refused.status, refused.body.code, refused.body.outcome]).toEqual([
    409,
    "CONFLICT",
    "not_applied",
  ]);
  await regions.kill("eu1", "SIGTERM");
  await regions.start("eu1", []);
  await regions.leader("eu");
  expect(await regions.properties("eu1", "since")).toEqual({ v: 1 });
});

it("MR-22 a region with data is copied, and the copy becomes a region of its own while writes go on (FC-120)", async () => {
  regions = await RegionsCluster.make(folder, { nodes: { eu: 1, us: 1 } });
  await regions.start("eu1");
  await regions.leader("eu");
  await put("eu1", "c", { n: 0 });
  for (let n = 0; n < 50; n += 1) await put("eu1", `x${n}`, { n });
  const counting = new Counting(urlsOf("eu"), "c", 2);
  await counting.reach(20);
  const file = path.join(folder, "copy");
  expect(await regions.ctl("eu1", "snapshot", "save", file)).toMatchObject({ code: 0, err: "" });
  await counting.reach(20);
  const restored = await runNode(
    [NORNICCTL, "snapshot", "restore", file],
    regions.environment("us1"),
  );
  expect(restored.code, restored.err).toBe(0);
  await regions.start("us1");
  await regions.leader("us");
  expect(await regions.ctl("us1", "region", "adopt")).toMatchObject({ code: 0, err: "" });
  await counting.reach(20);
  await put("us1", "from-us", { v: 1 });
  const n = await counting.stop();
  for (const id of ["eu1", "us1"]) {
    await regions.sees(id, "c", { n });
    await regions.sees(id, "from-us", { v: 1 });
    expect(await regions.properties(id, "x49")).toEqual({ n: 49 });
  }
  await regions.converged();
});

it("MR-50 a region is lost, another one is promoted, and what the lost one alone had comes back as it does (FC-118)", async () => {
  regions = await RegionsCluster.make(folder, { nodes: { eu: 1, us: 1 } });
  await regions.startAll();
  await put("eu1", "x", { v: 1 });
  await regions.sees("us1", "x", { v: 1 });
  regions.cut();
  await put("eu1", "late", { v: 2 });
  await regions.kill("eu1");
  const promoted = await regions.ctl("us1", "--json", "region", "promote");
  expect(promoted).toMatchObject({ code: 0, err: "" });
  const status = JSON.parse((await regions.ctl("us1", "--json", "region", "status")).out);
  expect(status).toMatchObject({ region: "us", promoted: "us" });
  await put("us1", "x", { v: 3 });
  regions.heal();
  await regions.start("eu1");
  await regions.sees("us1", "late", { v: 2 });
  await regions.sees("eu1", "x", { v: 3 });
  await regions.converged();
  await until("the other one knows it, too", async () => {
    const other = JSON.parse((await regions.ctl("eu1", "--json", "region", "status")).out);
    return other.promoted === "us";
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { until } from "./support/raft-cluster.js";
import { type Json, RegionsCluster, type RegionsOptions } from "./support/regions-cluster.js";

const TWO = { eu: 1, us: 1 };
const SILENT_LOOKS = 10;

let folder: string;
let regions: RegionsCluster;

async function running(options: Partial<RegionsOptions> = {}): Promise<void> {
  folder = mkdtempSync(path.join(tmpdir(), "multi-region-"));
  regions = await RegionsCluster.make(folder, { nodes: TWO, ...options });
  await regions.startAll();
}

async function ended(): Promise<void> {
  await regions.close();
  rmSync(folder, { recursive: true });
}

async function put(at: string, id: string, properties: object = {}): Promise<void> {
  const { status, text } = await regions.put(at, id, properties);
  expect([200, 201], text).toContain(status);
}

async function ok(at: string, route: string, method: string, body?: object): Promise<Json> {
  const answer = await regions.ask(at, route, method, body);
  expect([200, 201], `${method} ${route}: ${answer.text}`).toContain(answer.status);
  return answer.body;
}

/** Both write to it while they do not hear each other, `us` the later one; both list the conflict. */
async function disagree(id: string): Promise<Json> {
  await put("eu1", id, { v: 0 });
  await regions.sees("us1", id, { v: 0 });
  regions.cut();
  await put("eu1", id, { v: 1 });
  await put("us1", id, { v: 2 });
  expect(await regions.properties("eu1", id)).toEqual({ v: 1 });
  regions.heal();
  const conflict = await regions.conflict("eu1", id);
  expect(await regions.conflict("us1", id)).toEqual(conflict);
  await regions.converged();
  return conflict;
}

/** Nothing is committed anywhere any more. */
async function silence(): Promise<void> {
  let [seen, looks] = ["", 0];
  await until("there is silence", async () => {
    const all = await Promise.all(regions.running().map((id) => regions.health(id)));
    const now = JSON.stringify(all.map(({ commit_index }) => commit_index));
    looks = now === seen ? looks + 1 : 0;
    seen = now;
    return looks === SILENT_LOOKS;
  });
}

describe("two regions of one node", () => {
  beforeAll(() => running());
  afterAll(ended);

  it("MR-30, MR-36 what is written in one is read in the other, and then there is silence (FC-113, FC-117)", async () => {
    await put("eu1", "x", { v: 1 });
    await put("us1", "y", { v: 2 });
    await regions.sees("us1", "x", { v: 1 });
    await regions.sees("eu1", "y", { v: 2 });
    await ok("us1", "/edges/e", "PUT", { from: "x", to: "y", type: "KNOWS" });
    await until(
      "the edge is there",
      async () => (await regions.ask("eu1", "/edges/e")).status === 200,
    );
    await ok("eu1", "/nodes/y?detach=true", "DELETE");
    await until("it is gone", async () => (await regions.ask("us1", "/nodes/y")).status === 404);
    await regions.converged();
    expect(await regions.conflicts("eu1")).toEqual([]);
    await silence();
  });

  it("MR-5, MR-16, MR-21 last_write_wins: both list the loser, and either decides for both (FC-109, FC-119)", async () => {
    const conflict = await disagree("c");
    expect(conflict).toMatchObject({ key: "n:c", field: "property:v", kind: "value" });
    expect(conflict.winner).toMatchObject({ origin: "us", value: 2 });
    expect(conflict.losers).toMatchObject([{ origin: "eu", value: 1 }]);
    await regions.sees("eu1", "c", { v: 2 });
    const route = `/admin/conflicts/${encodeURIComponent(conflict.id)}`;
    expect(await ok("us1", route, "GET")).toMatchObject(conflict);
    const [{ origin, seq }] = conflict.losers;
    await ok("us1", `${route}/resolve`, "POST", { keep: "loser", origin, seq });
    for (const at of ["eu1", "us1"]) {
      await regions.sees(at, "c", { v: 1 });
      await until("it is decided", async () => (await regions.conflicts(at)).length === 0);
    }
  });

  it("MR-6 increments of both add up, each once, and are no conflict (FC-116)", async () => {
    await put("eu1", "i", { n: 100 });
    await regions.sees("us1", "i", { n: 100 });
    regions.cut();
    for (const by of [1, 2, 3])
      await ok("eu1", "/nodes/i/increment", "POST", { property: "n", by });
    for (const by of [10, -4]) await ok("us1", "/nodes/i/increment", "POST", { property: "n", by });
    regions.heal();
    for (const at of ["eu1", "us1"]) await regions.sees(at, "i", { n: 112 });
    await regions.converged();
    expect(await regions.conflicts("us1")).toEqual([]);
  });

  it("MR-39, MR-52 how far another region is behind is told in changes, bytes and time", async () => {
    await put("eu1", "l");
    await regions.sees("us1", "l", {});
    regions.cut();
    for (let n = 0; n < 10; n += 1) await put("eu1", `l${n}`, { n });
    const behind = await until("the lag is told", async () => {
      const us = await regions.regionOf("eu1", "us");
      return us.lag_entries === 10 && us.lag_ms > 0 && us;
    });
    expect(behind.lag_bytes).toBeGreaterThan(100);
    await until("the metrics tell it", async () => {
      const { text } = await regions.ask("eu1", "/metrics");
      return text.includes('nornicdb_region_lag_entries{region="us"} 10\n');
    });
    expect((await regions.ask("eu1", "/readyz")).status).toBe(200);
    regions.heal();
    await until("it has caught up", async () => {
      const us = await regions.regionOf("eu1", "us");
      return us.lag_entries === 0 && us.lag_ms === 0 && us.lag_bytes === 0;
    });
    await regions.converged();
  });
});

describe("two regions of one node, with other settings", () => {
  afterEach(ended);

  it("MR-5 first_write_wins: the earlier one stays", async () => {
    await running({ environment: { NORNICDB_CLUSTER_CONFLICT_STRATEGY: "first_write_wins" } });
    expect((await disagree("x")).winner).toMatchObject({ origin: "eu", value: 1 });
    for (const at of ["eu1", "us1"]) await regions.sees(at, "x", { v: 1 });
  });

  it("MR-5, MR-16 manual: both show the same until somebody gives a value", async () => {
    await running({ environment: { NORNICDB_CLUSTER_CONFLICT_STRATEGY: "manual" } });
    const { id, winner } = await disagree("x");
    for (const at of ["eu1", "us1"]) await regions.sees(at, "x", { v: winner.value });
    const decided = await regions.ctl("eu1", "conflicts", "resolve", id, "--value", "12");
    expect(decided).toMatchObject({ code: 0, err: "" });
    for (const at of ["eu1", "us1"]) {
      await regions.sees(at, "x", { v: 12 });
      await until("it is decided", async () => (await regions.conflicts(at)).length === 0);
    }
  });

  it("MR-38, MR-47 semi_sync: an answer means that the other region has it, and without it says what is known", async () => {
    await running({
      environment: {
        NORNICDB_CLUSTER_CROSS_REGION_MODE: "semi_sync",
        NORNICDB_CLUSTER_RAFT_COMMIT_TIMEOUT: "2s",
      },
    });
    for (let n = 0; n < 5; n += 1) {
      await put("eu1", `x${n}`, { n });
      expect(await regions.properties("us1", `x${n}`)).toEqual({ n });
    }
    await regions.kill("us1");
    const { status, body, text } = await regions.put("eu1", "alone");
    expect([status, body.code, body.outcome], text).toEqual([504, "COMMIT_UNKNOWN", "unknown"]);
    expect(body.detail).toMatch(/committed in region "eu" and stays there/);
    expect(await regions.properties("eu1", "alone")).toEqual({});
    await regions.start("us1");
    await regions.sees("us1", "alone", {});
    await put("eu1", "again", { v: 1 });
    expect(await regions.properties("us1", "again")).toEqual({ v: 1 });
  });

  it("MR-3, MR-46 a clock that is an hour ahead is told of, stops nobody, and wins nothing once it is right (FC-110)", async () => {
    await running({ skewed: ["us1"] });
    regions.skew("us1", 3_600_000);
    let v = 0;
    await until("the clock is ahead", async () => {
      await put("us1", "x", { v: ++v });
      const { text } = await regions.ask("eu1", "/metrics");
      const ahead = /^nornicdb_region_clock_ahead_seconds\{region="us"\} (\S+)$/m.exec(text);
      return Number(ahead?.[1]) > 3_000;
    });
    expect(regions.node("eu1").log()).toContain("region_clock_ahead");
    await regions.sees("eu1", "x", { v });
    // Written in knowledge of it, so that it takes its place whatever the clocks say.
    await put("eu1", "x", { v: "seen" });
    await regions.sees("us1", "x", { v: "seen" });
    for (const at of ["eu1", "us1"]) expect((await regions.ask(at, "/readyz")).status).toBe(200);
    regions.skew("us1", 0);
    await put("us1", "y", { v: 1 });
    await regions.sees("eu1", "y", { v: 1 });
    regions.cut();
    await put("us1", "y", { v: 2 });
    await put("eu1", "y", { v: 3 });
    regions.heal();
    const { winner, losers } = await regions.conflict("us1", "y");
    // It goes on from where it was, so it may win; but what loses is listed.
    expect([winner.value, losers[0].value].sort()).toEqual([2, 3]);
    await regions.converged();
  });
});

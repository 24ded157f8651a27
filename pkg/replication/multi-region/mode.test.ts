import { afterEach, expect, test } from "vitest";
import {
  AP,
  EU,
  type LabNode,
  put,
  RegionsLab,
  US,
} from "../../../test/simulation/support/regions-lab.js";
import { prometheusMetrics } from "../../runtime/node/index.js";
import { ReplicationError } from "../errors.js";
import { objectionOf } from "./members-mode.js";

let lab: RegionsLab | undefined;
afterEach(async () => {
  await lab?.close();
  lab = undefined;
});

async function started(...args: ConstructorParameters<typeof RegionsLab>): Promise<RegionsLab> {
  lab = await RegionsLab.started(...args);
  return lab;
}

test("MR-43 a write that comes before the founding waits for it, and is told to the others", async () => {
  const world = await started([EU, US], 1);
  const [eu, us] = world.nodes;
  await eu?.write([put("early")]);
  await us?.write([put("late")]);
  await world.everywhere("early");
  await world.everywhere("late");
  expect(eu?.said("region_settled")).toBe(1);
  expect(eu?.said("region_needs_copy")).toBe(0);
});

test("MR-43 a leader whose configuration says something else settles the region anew", async () => {
  const world = await started([EU, US], 1);
  const [eu, us] = world.nodes;
  await eu?.write([put("a")]);
  await world.everywhere("a");
  for (const node of [eu, us]) await node?.restart({ strategy: "manual" });
  await eu?.write([put("b")]);
  await world.everywhere("b");
  expect(await eu?.storage?.regions.facts()).toMatchObject({ strategy: "manual" });
});

test("MR-44 regions of three nodes each, with equal names, reach each other through any node", async () => {
  const world = await started([EU, US], 3);
  await (await world.leader(EU)).write([put("a")]);
  await world.everywhere("a");
  const follower = (await world.followers(US))[0];
  await follower?.write([put("b")]);
  await world.everywhere("b");
  const leader = await world.leader(EU);
  await leader.seesAs(US, { state: "streaming", lagEntries: 0 });
  const { regions, region } = await leader.health();
  expect(region).toBe(EU);
  expect(regions?.[0]?.address).toMatch(/^us-\d:7688$/);
  await follower?.seesAs(EU, { state: "unknown", lagEntries: 0 });
});

test("MR-44 a region goes on through its other nodes when the one that was told is gone", async () => {
  const world = await started([EU, US], 3);
  const eu = await world.leader(EU);
  await eu.write([put("a")]);
  await world.everywhere("a");
  await (await world.leader(US)).stop();
  await eu.write([put("b")]);
  await world.everywhere("b");
  expect(eu.said("node_failed")).toBe(0);
});

test("MR-47 a write waits until another region has it, if all do, or if it asks", async () => {
  const world = await started([EU, US], 1, { eu: { mode: "semi_sync" } });
  const [eu, us] = world.nodes;
  expect(await eu?.write([put("a")])).toMatchObject({ durability: "region" });
  expect(await us?.has("a")).toBe(true);
  expect(await us?.write([put("b")])).toMatchObject({ durability: "quorum" });
  expect(await us?.write([put("c")], "region")).toMatchObject({ durability: "region" });
  expect(await eu?.has("c")).toBe(true);
});

test("MR-47 where no other region says so the answer is that the write is committed, and where", async () => {
  const world = await started([EU, US], 3, { eu: { mode: "semi_sync" } });
  await (await world.leader(EU)).write([put("a")]);
  world.cut(EU, US);
  for (const node of [await world.leader(EU), (await world.followers(EU))[0]]) {
    const outcome = (await node?.write([put("b")])) as ReplicationError;
    expect(outcome).toBeInstanceOf(ReplicationError);
    expect(outcome).toMatchObject({ code: "COMMIT_UNKNOWN", outcome: "unknown" });
    expect(outcome.message).toMatch(/committed in region "eu" and stays there/);
    expect(outcome.details.committed?.index).toBeGreaterThan(1);
    expect(await node?.has("b")).toBe(true);
  }
  world.cut(EU, US, false);
  await world.everywhere("b");
});

test("MR-47 a refused write waits for nobody", async () => {
  const world = await started([EU, US], 1, { eu: { mode: "semi_sync" } });
  const [eu] = world.nodes;
  await eu?.write([put("a")]);
  world.cut(EU, US);
  const refused = await eu?.write([{ op: "patch_node", id: "nobody", properties: { x: 1 } }]);
  expect(refused).toMatchObject({ code: "NOT_FOUND" });
});

test("MR-49 a region with another strategy or list is refused, and both say why", async () => {
  const world = await started([EU, US], 1, { us: { strategy: "manual" } });
  const [eu, us] = world.nodes;
  await eu?.write([put("a")]);
  await eu?.seesAs(US, { state: "refused" });
  expect(await world.run(eu?.sees(US) as never)).toMatchObject({
    reason: expect.stringMatching(/CONFLICT_STRATEGY is manual there and last_write_wins here/),
  });
  expect(us?.said("region_disagrees")).toBe(1);
  expect(await us?.has("a")).toBe(false);
  await us?.restart({});
  await world.everywhere("a");
  await eu?.seesAs(US, { state: "streaming", reason: null });
});

test("MR-50 a promotion is part of every region's state, and late writes of another are merged (FC-118)", async () => {
  const world = await started([EU, US], 1);
  const [eu, us] = world.nodes;
  await eu?.write([put("a", { x: 1 })]);
  await world.everywhere("a");
  world.cut(EU, US);
  await eu?.write([put("late")]);
  expect(await us?.order("promote region")).toEqual({
    promoted: "us",
    epoch: 1,
    was: null,
    missing: [],
  });
  world.cut(EU, US, false);
  await world.everywhere("late");
  const promotedOf = async (node: typeof eu) =>
    (await node?.storage?.regions.facts())?.promotion?.region;
  await world.eventually(async () => (await promotedOf(eu)) === US);
  expect(await eu?.order("region status")).toMatchObject({ promoted: "us", promotion: 1 });
  await expect(eu?.order("promote region", { region: "us" })).rejects.toMatchObject({
    code: "CONFLICT",
  });
  expect(await eu?.order("promote region")).toMatchObject({ epoch: 2, was: "us" });
});

test("MR-51 a region that was given up is told nothing until it is readmitted", async () => {
  const world = await started([EU, US], 1);
  const [eu, us] = world.nodes;
  await eu?.write([put("a")]);
  await world.everywhere("a");
  expect(await eu?.order("give up region", { region: "us" })).toMatchObject({ given_up: true });
  await eu?.write([put("b")]);
  await us?.write([put("c")]);
  await us?.seesAs(EU, { state: "refused" });
  expect(await world.run(eu?.sees(US) as never)).toMatchObject({ state: "given_up" });
  await expect(eu?.order("give up region", { region: "mars" })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
  await us?.write([put("d")]);
  expect(await eu?.has("c")).toBe(false);
});

test("MR-51 a region that was given up and comes back is readmitted, and lacks nothing", async () => {
  const world = await started([EU, US], 1);
  const [eu, us] = world.nodes;
  await eu?.write([put("a")]);
  await world.everywhere("a");
  await us?.stop();
  await eu?.order("give up region", { region: "us" });
  await expect(eu?.order("readmit region", { region: "us" })).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringMatching(/did not say what it contains/),
  });
  await us?.restart();
  const readmitted = await eu?.order("readmit region", { region: "us" });
  expect(readmitted).toMatchObject({ region: "us", contains: { eu: 1 } });
  await eu?.write([put("b")]);
  await us?.write([put("c")]);
  await world.everywhere("b");
  await world.everywhere("c");
});

test("MR-43 MR-51 a copy takes no write until it is adopted, then goes on from where it was (FC-120)", async () => {
  lab = new RegionsLab([EU, US], 1);
  const world = lab;
  const [eu, us] = world.nodes;
  await world.start(world.of(EU));
  await eu?.write([put("a")]);
  await us?.copyFrom(eu as NonNullable<typeof eu>);
  await eu?.write([put("b")]);
  await world.start(world.of(US));
  await world.leader(US);
  const refused = await us?.write([put("too early")]);
  expect(refused).toMatchObject({ code: "CONFLICT", details: { hint: /nornicctl region adopt/ } });
  expect(await us?.health()).toMatchObject({ healthy: false, region: US });
  expect(await us?.order("adopt region")).toEqual({ region: "us", was: "eu" });
  await us?.write([put("c")]);
  await world.everywhere("b");
  await world.everywhere("c");
  expect(await us?.has("a")).toBe(true);
  await eu?.seesAs(US, { state: "streaming", lagEntries: 0 });
});

test("MR-52 the leader measures how far the others are behind, and whose clock is ahead", async () => {
  const metrics = prometheusMetrics();
  const world = await started([EU, US], 1, { us: { skewMs: 3_600_000 } }, metrics);
  const [eu, us] = world.nodes;
  await us?.write([put("future")]);
  await world.everywhere("future");
  world.cut(EU, US);
  for (const id of ["a", "b", "c"]) await eu?.write([put(id)]);
  await world.time.advance(3_000);
  const seen = await world.run(eu?.sees(US) as never);
  expect(seen).toMatchObject({ state: "asking", lagEntries: 3, address: "us-1:7688" });
  expect((seen as { clockAheadMs: number }).clockAheadMs).toBeGreaterThan(3_000_000);
  expect(await us?.write([put("still")])).toMatchObject({ durability: "quorum" });
  const text = await metrics.text();
  expect(text).toMatch(/nornicdb_region_lag_entries\{region="us"\} 3/);
  expect(text).toMatch(/nornicdb_region_lag_seconds\{region="us"\} [12]\./);
  expect(text).toMatch(/nornicdb_region_clock_ahead_seconds\{region="us"\} 3[0-9]{3}/);
  expect(text).toMatch(/nornicdb_region_streaming\{region="us"\} 0/);
});

test("MR-46 a clock that is ahead is reported, and when it is right again", async () => {
  const world = await started([EU, US], 1, { us: { skewMs: 3_600_000 } });
  const [eu, us] = world.nodes;
  for (const id of ["a", "b", "c"]) await us?.write([put(id)]);
  await world.everywhere("c");
  expect(eu?.said("region_clock_ahead")).toBe(1);
  expect(eu?.said("region_clock_back")).toBe(0);
});

test("MR-51 nobody but a leader of a founded region takes orders about regions", async () => {
  const world = await started([EU, US, AP], 1);
  const [eu] = world.nodes;
  await eu?.write([put("a")]);
  await world.everywhere("a");
  await expect(eu?.order("adopt region")).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(eu?.order("readmit region", { region: "us" })).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringMatching(/was not given up/),
  });
  expect(await eu?.order("region status")).toMatchObject({
    region: "eu",
    obstacle: null,
    contains: { eu: 1 },
    regions: [
      { region: "ap", missing: 0 },
      { region: "us", missing: 0 },
    ],
  });
});

test("MR-53 a region is not founded, and takes no write, before all its members run the mode", async () => {
  lab = new RegionsLab([EU, US], 3);
  const world = lab;
  const [first, second, third] = world.of(EU);
  await world.start([first, second] as LabNode[]);
  const leader = await world.leader(EU);
  const write = leader.writing([put("a")]);
  await world.until(() => leader.said("region_waits") > 0);
  expect(await leader.health()).toMatchObject({
    healthy: false,
    reason: expect.stringMatching(/n3 does not say so/),
  });
  expect(leader.said("region_settled")).toBe(0);
  await world.start([third] as LabNode[]);
  expect(await world.run(write)).toMatchObject({ durability: "quorum" });
  await world.start(world.of(US));
  await world.everywhere("a");
});

test("MR-53 a member in another mode is named", async () => {
  const answer = { mode: "raft" };
  const raft = { askMembers: async () => [{ node: "n2" as never, answer }] };
  expect(await objectionOf(raft)).toMatch(/n2 runs mode raft/);
  answer.mode = "multi_region";
  expect(await objectionOf(raft)).toBeUndefined();
});

test("MR-52 a region that is gone is not told to be streaming, though nothing is to be told to it", async () => {
  const world = await started([EU, US], 1);
  const [eu, us] = world.nodes;
  await eu?.write([put("a")]);
  await world.everywhere("a");
  await eu?.seesAs(US, { state: "streaming", lagEntries: 0 });
  await us?.stop();
  await eu?.seesAs(US, { state: "asking", lagEntries: 0 });
  await us?.restart();
  await eu?.seesAs(US, { state: "streaming" });
});

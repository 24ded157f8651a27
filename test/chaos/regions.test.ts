import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  type LabRegion,
  LabRegions,
  type ListedConflict,
  listedConflicts,
  type ShownNode,
  shownNodes,
} from "./support/lab-regions.js";
import { RegionWriters } from "./support/region-writers.js";

const CUT_MS = Number(process.env.CHAOS_CUT_MS ?? 60_000);
/** The regions write and tell each other for a while first: processes that just started are slower. */
const WHOLE_MS = Number(process.env.CHAOS_WHOLE_MS ?? 30_000);
const BACKLOG = Number(process.env.CHAOS_ENTRIES ?? 50_000);
const WRITERS = Number(process.env.CHAOS_CLIENTS ?? 32);
/** Writes a second in each of two regions, so that the backlog is there when the cut ends. */
const PACE = BACKLOG / 2 / (CUT_MS / 1_000);
const HEALED_MS_MAX = Number(process.env.CHAOS_HEALED_MS ?? 5_000);
const DOWN_MS = 3_000;

const hash = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex");

describe("two regions in a broken network", () => {
  it(`the link is cut for ${CUT_MS / 1000} s while both sides write, also to the same keys, and lose their leaders: ${BACKLOG} entries later both are equal, and no acknowledged write is missing`, async () => {
    await using both = await LabRegions.open();
    const earlier = writersOf(both, false);
    await sleep(WHOLE_MS);
    await Promise.all(earlier.map((one) => one.stop()));
    await both.even();
    both.cut();
    const startMs = performance.now();
    const writers = writersOf(both, true);
    await Promise.all(
      both.regions.map((region, at) => loseLeader(region, (at + 1) * (CUT_MS / 3))),
    );
    await sleep(Math.max(0, CUT_MS - (performance.now() - startMs)));
    while ((await both.backlog()) < BACKLOG) await sleep(100);
    await Promise.all(writers.map((one) => one.stop()));
    const cutMs = performance.now() - startMs;
    for (const region of both.regions) await region.converged();
    const backlog = await both.backlog();
    both.heal();
    const evenMs = await both.even();
    const acks = writers.map((one, at) => `${both.regions[at]?.name} ${one.acks}`).join(", ");
    console.log(
      `cut for ${(cutMs / 1000).toFixed(0)} s: writes ${acks}, ` +
        `${writers[0]?.retries} and ${writers[1]?.retries} repeated; ` +
        `${backlog} entries behind, even ${evenMs.toFixed(0)} ms after healing`,
    );
    expect(backlog).toBeGreaterThanOrEqual(BACKLOG);
    await expectEqual(both, [...earlier, ...writers]);
    expect(evenMs).toBeLessThanOrEqual(HEALED_MS_MAX);
  });
});

function writersOf({ regions }: LabRegions, shares: boolean): readonly RegionWriters[] {
  const options = { writers: WRITERS, writesPerSecond: PACE, shares };
  return regions.map((region) => new RegionWriters(region, options));
}

/** kill -9 of the region's leader at that moment; it comes back a little later. */
async function loseLeader(region: LabRegion, afterMs: number): Promise<void> {
  await sleep(afterMs);
  const leader = await region.leader();
  await leader.kill();
  await sleep(DOWN_MS);
  await leader.start();
}

async function expectEqual(both: LabRegions, writers: readonly RegionWriters[]): Promise<void> {
  const all = await Promise.all(
    both.nodes().map(async (node) => {
      const [nodes, conflicts] = [await shownNodes(node), await listedConflicts(node)];
      return { id: node.id, nodes, conflicts, content: hash(nodes), listed: hash(conflicts) };
    }),
  );
  const [first] = all;
  for (const { id, content, listed } of all) {
    expect({ id, content, listed }).toEqual({ id, content: first?.content, listed: first?.listed });
  }
  const { nodes, conflicts } = first as (typeof all)[number];
  console.log(
    `${nodes.length} nodes, ${conflicts.length} conflicts, the same on ${all.length} servers`,
  );
  expect(missing(writers, nodes, conflicts)).toEqual([]);
  for (const region of both.regions) {
    const { status, body } = await (await region.leader()).post("/admin/verify", {});
    expect([status, body.equal], JSON.stringify(body)).toEqual([200, true]);
  }
}

/** What was acknowledged, and is neither shown nor listed as the loser of a conflict. */
function missing(
  writers: readonly RegionWriters[],
  nodes: readonly ShownNode[],
  conflicts: readonly ListedConflict[],
): readonly string[] {
  const values = new Map(nodes.map(({ id, properties }) => [id, properties.value]));
  const sides = new Map<string, unknown[]>();
  for (const { key, winner, losers } of conflicts) {
    const known = sides.get(key) ?? [];
    sides.set(key, [...known, ...[winner, ...losers].map(({ value }) => value)]);
  }
  return writers.flatMap(({ added, shared }) => [
    ...added.filter((id) => values.get(id) !== id),
    ...[...shared]
      .filter(([id, value]) => values.get(id) !== value && !sides.get(`n:${id}`)?.includes(value))
      .map(([id, value]) => `${id} ${value}`),
  ]);
}

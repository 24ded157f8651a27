import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { VirtualTime } from "../../test/support/index.js";
import { parseRegionId, type RegionId } from "../base/index.js";
import { prometheusMetrics } from "../runtime/node/index.js";
import { encodeRegionOperation, openRegionStorage } from "../storage/index.js";
import type { ServiceEvent } from "./service.js";
import { createTestService } from "./testing.js";

const [EU, US] = ["eu", "us"].map((name) => parseRegionId(name)) as [RegionId, RegionId];
const close: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of close.splice(0)) await one();
});

async function world() {
  const folder = mkdtempSync(join(tmpdir(), "conflicts-"));
  const storage = await openRegionStorage({ path: join(folder, "graph.db") });
  close.push(
    () => storage.close(),
    () => rmSync(folder, { recursive: true }),
  );
  const time = new VirtualTime();
  const metrics = prometheusMetrics();
  const parts = { clock: time, timers: time, metrics };
  const { service, replicator } = createTestService(parts, {}, storage);
  const settings = { self: EU, others: [US], strategy: "manual", driftMsMax: 1_000 } as const;
  await replicator.apply(encodeRegionOperation({ op: "settle", settings }));
  let told = 0;
  /** Both regions write it, in knowledge of nothing that the other did. */
  const disagree = async (id: string) => {
    await service.write([{ op: "put_node", id, properties: { x: "eu" } }]);
    told += 1;
    const text = JSON.stringify({
      origin: US,
      seq: told,
      clock: [1, told],
      seen: [],
      things: [{ key: `n:${id}`, life: true, fresh: true, put: [["x", "us"]] }],
      closed: [],
    });
    const contains = new Map([[US, told]]);
    const receive = { op: "receive", from: US, upTo: told, contains, texts: [text] } as const;
    await replicator.apply(encodeRegionOperation(receive));
  };
  return { service, time, metrics, disagree };
}

it("SV-15 who listens is told of a conflict that comes up, once, and of none from before", async () => {
  const { service, time, disagree } = await world();
  await disagree("before");
  const events: ServiceEvent[] = [];
  const stop = service.onEvent((event) => events.push(event));
  const poll = async () => {
    await time.run(service.health(), { ticksMax: 100 });
    time.step();
    await time.run(service.health(), { ticksMax: 100 });
  };
  await poll();
  await disagree("a");
  await service.write([{ op: "put_node", id: "calm" }]);
  await poll();
  await poll();
  stop();
  const conflicts = events.filter(({ kind }) => kind === "conflict");
  expect(conflicts).toMatchObject([{ conflict: "value", key: "n:a", field: "property:x" }]);
});

it("SV-15 conflicts are counted by strategy, each once", async () => {
  const { service, metrics, disagree } = await world();
  const counted = async () => {
    await service.refreshMetrics();
    return /nornicdb_conflicts_total\{strategy="manual"\} (\d+)/.exec(await metrics.text())?.[1];
  };
  expect(await counted()).toBe("0");
  await disagree("a");
  await disagree("b");
  expect(await counted()).toBe("2");
  await service.write([{ op: "put_node", id: "a", properties: { x: 1 } }]);
  expect(await counted()).toBe("2");
});

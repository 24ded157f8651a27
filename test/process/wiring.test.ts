import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { NO_POSITION } from "../../dist/pkg/base/index.js";
import { createReplicator, loadConfig } from "../../dist/pkg/index.js";
import { systemTimers } from "../../dist/pkg/runtime/node/index.js";
import {
  createMemoryStorage,
  encodeOperations,
  openSqliteStorage,
} from "../../dist/pkg/storage/index.js";

const home = mkdtempSync(path.join(tmpdir(), "nornic-wiring-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const configOf = (directory: string, threads: string) =>
  loadConfig({
    env: { NORNICDB_DATA_DIR: directory, NORNICDB_CLUSTER_THREADS: threads },
  }).config;

const STORAGES = {
  "sqlite in its own threads": (directory: string) =>
    openSqliteStorage({ path: `${directory}/graph.db`, threads: "worker", timers: systemTimers }),
  "sqlite in this thread": (directory: string) =>
    openSqliteStorage({ path: `${directory}/graph.db`, threads: "single", timers: systemTimers }),
  "memory in this thread": async () => createMemoryStorage(),
};

describe.each(["worker", "single"])("replication thread: %s", (threads) => {
  it.each(Object.keys(STORAGES) as (keyof typeof STORAGES)[])("WI-4 %s", async (kind) => {
    const directory = path.join(home, `${threads}-${kind.replaceAll(" ", "-")}`);
    const config = configOf(directory, threads);
    for (const round of [1, 2]) {
      const storage = await STORAGES[kind](directory);
      await using replicator = createReplicator(config, storage);
      await replicator.start();
      expect(replicator.isLeader()).toBe(true);
      const writes = Array.from({ length: 100 }, (_, number) =>
        replicator.apply(encodeOperations([{ op: "put_node", id: `${round}-${number}` }])),
      );
      const receipts = await Promise.all(writes);
      expect(receipts.map(({ index }) => index)).toEqual(
        Array.from({ length: 100 }, (_, at) => (round - 1) * 100 + at + 1),
      );
      const at = await replicator.read("LEADER");
      expect(await storage.getNode(`${round}-99`, at)).toMatchObject({ id: `${round}-99` });
      expect((await storage.counts(NO_POSITION)).nodes).toBeGreaterThanOrEqual(0);
      expect(await replicator.health()).toMatchObject({
        state: "ready",
        appliedIndex: round * 100,
      });
    }
  });

  it("WI-4 a second replicator on the same directory is refused (FC-041)", async () => {
    const directory = path.join(home, `${threads}-twice`);
    const config = configOf(directory, threads);
    await using first = createReplicator(config, createMemoryStorage());
    await first.start();
    const second = createReplicator(config, createMemoryStorage());
    await expect(second.start()).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      message: expect.stringMatching(/LOG_LOCKED/),
    });
    await second.shutdown();
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { systemTimers } from "../../pkg/runtime/node/index.js";
import { createMemoryStorage, openSqliteStorage } from "../../pkg/storage/index.js";
import { openRegionStorage } from "../../pkg/storage/regions/open-region-storage.js";
import { storageContract } from "./storage-contract.js";

async function openSqlite() {
  const folder = mkdtempSync(join(tmpdir(), "storage-"));
  const open = () =>
    openSqliteStorage({
      path: join(folder, "graph.db"),
      threads: "single",
      timers: systemTimers,
    });
  let machine = await open();
  return {
    machine,
    reopen: async () => {
      await machine.close();
      machine = await open();
      return machine;
    },
    destroy: async () => {
      await machine.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function openRegion() {
  const folder = mkdtempSync(join(tmpdir(), "storage-"));
  const open = () => openRegionStorage({ path: join(folder, "graph.db"), timers: systemTimers });
  let machine = await open();
  return {
    machine,
    reopen: async () => {
      await machine.close();
      machine = await open();
      return machine;
    },
    destroy: async () => {
      await machine.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function openMemory() {
  const machine = createMemoryStorage();
  return { machine, destroy: () => machine.close() };
}

describe.each([
  ["memory", openMemory],
  ["sqlite", openSqlite],
  ["a region's", openRegion],
])("storage contract: %s", (_name, open) => {
  test.each(storageContract(open).map((one) => [one.title, one] as const))("%s", (_title, one) =>
    one.run(),
  );
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "vitest";
import { createMemoryStorage, openSqliteStorage } from "../../pkg/storage/index.js";
import { VirtualTime } from "../support/index.js";
import { storageContract } from "./storage-contract.js";

async function openSqlite() {
  const folder = mkdtempSync(join(tmpdir(), "storage-"));
  const open = () =>
    openSqliteStorage({
      path: join(folder, "graph.db"),
      threads: "single",
      timers: new VirtualTime(),
    });
  let storage = await open();
  return {
    storage,
    reopen: async () => {
      await storage.close();
      storage = await open();
      return storage;
    },
    destroy: async () => {
      await storage.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function openMemory() {
  const storage = createMemoryStorage();
  return { storage, destroy: () => storage.close() };
}

describe.each([
  ["memory", openMemory],
  ["sqlite", openSqlite],
])("storage contract: %s", (_name, open) => {
  test.each(storageContract(open).map((one) => [one.title, one] as const))("%s", (_title, one) =>
    one.run(),
  );
});

import path from "node:path";
import { openLibrary, pairSettings, standbyLag, stopServer } from "./support/pair.js";
import { startNornicd, waitFor } from "./support/processes.js";
import { printTable, type Row, saveResults } from "./support/report.js";

const ENTRIES = Number(process.env.BENCH_ENTRIES ?? 1_000_000);
const IN_FLIGHT = 2_000;
const COMPACT_MS = 60_000;

/** Written alone, and cut out of the log, so that a standby needs a copy. @returns milliseconds */
async function fill(dataDir: string): Promise<number> {
  const env = {
    NORNICDB_CLUSTER_NODE_ID: "primary",
    NORNICDB_DATA_DIR: dataDir,
    NORNICDB_CLUSTER_DATA_DIR: path.join(dataDir, "replication"),
  };
  const library = await openLibrary(env, { bytes: 64, keys: ENTRIES });
  try {
    let left = ENTRIES;
    const writer = async () => {
      while (left-- > 0) await library.write();
    };
    const beginMs = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
    const endMs = performance.now();
    await library.replicator.order("compact", {}, { timeoutMs: COMPACT_MS });
    return endMs - beginMs;
  } finally {
    await library.close();
  }
}

/** An empty standby gets a copy of everything and is in sync. */
export async function benchFullSync(directory: string): Promise<void> {
  const { primary, standby } = await pairSettings(directory);
  const fillMs = await fill(path.join(directory, "primary"));
  const library = await openLibrary(primary);
  const beginMs = performance.now();
  const server = await startNornicd(standby);
  try {
    await waitFor("an equal standby", async () =>
      (await standbyLag(library.replicator)) === 0 ? true : undefined,
    );
    const syncMs = performance.now() - beginMs;
    const row = (name: string, ms: number): Row => ({
      name,
      opsPerSecond: (ENTRIES / ms) * 1000,
      p50Ms: ms,
      p99Ms: ms,
      cpuCores: Number.NaN,
    });
    const rows = [
      row("written by a node alone", fillMs),
      row("full sync, start of the standby's process included", syncMs),
    ];
    printTable(`ha_standby: ${ENTRIES.toLocaleString("en-US")} entries`, rows);
    saveResults("ha-full-sync", rows);
  } finally {
    await stopServer(server);
    await library.close();
  }
}

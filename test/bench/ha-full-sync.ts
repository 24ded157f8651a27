import path from "node:path";
import { openLibrary, pairSettings, standbyLag, stopServer } from "./support/pair.js";
import { startNornicd, waitFor } from "./support/processes.js";
import { printTable, type Row, saveResults } from "./support/report.js";

const ENTRIES = Number(process.env.BENCH_ENTRIES ?? 1_000_000);
const IN_FLIGHT = 2_000;

/** An empty standby gets a copy of everything and is in sync. */
export async function benchFullSync(directory: string): Promise<void> {
  const { primary, standby } = await pairSettings(path.join(directory, "full-sync"), {
    NORNICDB_CLUSTER_HA_SYNC_MODE: "async",
  });
  const library = await openLibrary(primary, { bytes: 64, keys: ENTRIES });
  try {
    await waitFor("a first write", () => library.write().then(() => true));
    let left = ENTRIES;
    const fill = async () => {
      while (left-- > 0) await library.write();
    };
    const fillMs = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, fill));
    const filledMs = performance.now();
    await library.replicator.order("compact", {});
    const beginMs = performance.now();
    const server = await startNornicd(standby);
    await waitFor("an equal standby", async () => {
      return (await standbyLag(library.replicator)) === 0 ? true : undefined;
    });
    const endMs = performance.now();
    await stopServer(server);
    const row = (name: string, ms: number): Row => ({
      name,
      opsPerSecond: (ENTRIES / ms) * 1000,
      p50Ms: ms,
      p99Ms: ms,
      cpuCores: Number.NaN,
    });
    const rows = [
      row("written by the primary alone", filledMs - fillMs),
      row("full sync, process start included", endMs - beginMs),
    ];
    printTable(`ha_standby: ${ENTRIES.toLocaleString("en-US")} entries`, rows);
    saveResults("ha-full-sync", rows);
  } finally {
    await library.close();
  }
}

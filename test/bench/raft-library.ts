import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createReplicator, loadConfig, type Replicator } from "../../pkg/index.js";
import { encodeOperations, openSqliteStorage } from "../../pkg/storage/index.js";
import { databaseFile } from "../../pkg/wiring/index.js";
import { closedLoop, interleave } from "./support/closed-loop.js";
import { memberSettings } from "./support/member-settings.js";
import { type Server, startNornicd, waitFor } from "./support/processes.js";
import { printTable, saveResults } from "./support/report.js";

const IN_FLIGHT = [1, 64, 256, 1024];
const KEYS = 100_000;
const VALUE = "v".repeat(256);

const keyOf = (number: number) => `key${String((number * 7919) % KEYS).padStart(13, "0")}`;

/** Leads from this process; the followers are processes of their own. */
async function lead(replicator: Replicator, other: Server): Promise<void> {
  const body = JSON.stringify({ target: replicator.nodeId() });
  const headers = { "content-type": "application/json" };
  const url = `${other.url}/admin/cluster/transfer-leadership`;
  await waitFor("this process to lead", async () => {
    if (replicator.isLeader()) return true;
    await (await fetch(url, { method: "POST", headers, body })).text();
    return undefined;
  });
}

/** The library as a member of a cluster of three: writes that a majority holds durably. */
export async function benchClusterLibrary(): Promise<void> {
  const directory = mkdtempSync(path.join(process.env.BENCH_DIR ?? tmpdir(), "nornic-bench-"));
  const [own = {}, ...others] = await memberSettings(directory, 3);
  const starting = others.map((settings) => startNornicd(settings));
  const { config } = loadConfig({ env: own });
  mkdirSync(config.dataDir, { recursive: true });
  const storage = await openSqliteStorage({ path: databaseFile(config), threads: "worker" });
  const replicator = createReplicator(config, storage);
  try {
    await replicator.start();
    const servers = await Promise.all(starting);
    await lead(replicator, servers[0] as Server);
    let sequence = 0;
    const write = async () => {
      const number = sequence++;
      const properties = { value: VALUE, number };
      await replicator.apply(encodeOperations([{ op: "put_node", id: keyOf(number), properties }]));
    };
    const rows = await interleave(
      IN_FLIGHT.map((inFlight) => ({
        name: `library in a cluster, ${inFlight} in flight`,
        run: () => closedLoop(inFlight, write),
      })),
    );
    printTable("raft, library as the leader of three: writes of 256 bytes", rows);
    saveResults("raft-library", rows);
  } finally {
    await replicator.shutdown();
    const servers = await Promise.all(starting);
    const gone = servers.map(({ child }) => new Promise((done) => child.once("exit", done)));
    for (const { child } of servers) child.kill("SIGTERM");
    await Promise.all(gone);
    rmSync(directory, { recursive: true, force: true });
  }
}

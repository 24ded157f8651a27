import path from "node:path";
import { closedLoop, interleave, type Measured, withRatios } from "./support/closed-loop.js";
import { openPair } from "./support/pair.js";
import { RedisLoad } from "./support/redis-load.js";
import { startRedis } from "./support/redis-pair.js";
import { printTable, type Row, saveResults } from "./support/report.js";

const MODES = ["semi_sync", "sync"] as const;
const IN_FLIGHT = [1, 64, 256];
const VALUE = "v".repeat(256);
const KEYS = 100_000;
const keyOf = (number: number) => `key${String((number * 7919) % KEYS).padStart(13, "0")}`;

const redisName = (clients: number) => `Redis SET + WAIT 1, fsync always, ${clients} in flight`;

async function measureRedis(port: number, clients: number): Promise<Measured> {
  let sequence = 0;
  const loads = await Promise.all(Array.from({ length: clients }, () => RedisLoad.open(port)));
  const measured = await closedLoop(clients, async (caller) =>
    loads[caller]?.setAndWait(keyOf(sequence++), VALUE),
  );
  for (const load of loads) load.close();
  return measured;
}

/** Acknowledged writes of the library as primary, beside Redis where that is installed. */
export async function benchWrites(directory: string): Promise<readonly Row[]> {
  const redis = await startRedis(path.join(directory, "redis"));
  const pairs = await Promise.all(
    MODES.map(async (mode) => ({
      mode,
      pair: await openPair(path.join(directory, mode), { NORNICDB_CLUSTER_HA_SYNC_MODE: mode }),
    })),
  );
  try {
    const ours = pairs.flatMap(({ mode, pair }) =>
      IN_FLIGHT.map((inFlight) => ({
        name: `${mode}, ${inFlight} in flight`,
        run: () => closedLoop(inFlight, pair.write),
      })),
    );
    const theirs = (redis === undefined ? [] : IN_FLIGHT).map((clients) => ({
      name: redisName(clients),
      run: () => measureRedis(redis?.port ?? 0, clients),
    }));
    const rows = withRatios(await interleave([...ours, ...theirs]), ({ name }) => {
      const inFlight = Number(/(\d+) in flight/.exec(name)?.[1]);
      return name.startsWith("Redis") ? undefined : redisName(inFlight);
    });
    printTable("ha_standby, library as primary: acknowledged writes of 256 bytes", rows, [
      "semi_sync: on this disk and received by the standby; sync: on both disks",
      redis === undefined
        ? "no redis-server is installed to stand beside"
        : "Redis in the same run",
    ]);
    saveResults("ha-writes", rows);
    return rows;
  } finally {
    redis?.stop();
    for (const { pair } of pairs) await pair.close();
  }
}

import path from "node:path";
import { closedLoop, interleave, SECONDS, withRatios } from "./support/closed-loop.js";
import { openLoop } from "./support/open-loop.js";
import { type Library, openLibrary, openPair, type Pair, standbyLag } from "./support/pair.js";
import { percentile, printTable, saveResults } from "./support/report.js";

/** Writes a second that leave every thread idle most of the time. */
const BELOW_SATURATION = 2_000;
const ROUNDS = 7;
const LAG_SAMPLE_MS = 10;
const DELAY_METRIC = "nornicdb_ha_append_to_sent_seconds";

/** What replication costs a write that does not wait for the standby. */
export async function benchLatency(directory: string): Promise<void> {
  const alone = await openLibrary({ NORNICDB_DATA_DIR: path.join(directory, "alone") });
  const pair = await openPair(path.join(directory, "async"), {
    NORNICDB_CLUSTER_HA_SYNC_MODE: "async",
  });
  try {
    const steady = ({ write }: Library) => openLoop(BELOW_SATURATION, write);
    const base = `standalone, ${BELOW_SATURATION} a second`;
    const rows = await interleave(
      [
        { name: base, run: () => steady(alone) },
        { name: `async pair, ${BELOW_SATURATION} a second`, run: () => steady(pair) },
      ],
      ROUNDS,
    );
    const [of, other] = rows.map(({ p50Ms, p99Ms }) => ({ p50Ms, p99Ms }));
    const percent = (a = 0, b = 1) => `${((a / b - 1) * 100).toFixed(1)} %`;
    printTable("ha_standby, library: latency at the same load below saturation", rows, [
      `async costs ${percent(other?.p50Ms, of?.p50Ms)} at p50, ${percent(other?.p99Ms, of?.p99Ms)} at p99`,
      ...(await lagUnderLoad(pair)),
    ]);
    saveResults("ha-latency", rows);
  } finally {
    await pair.close();
    await alone.close();
  }
}

/** How far behind the standby is while writes come steadily, as the primary knows it. */
async function lagUnderLoad({ replicator, write }: Pair): Promise<string[]> {
  const lags: number[] = [];
  let over = false;
  const sample = async () => {
    while (!over) {
      lags.push((await standbyLag(replicator)) ?? Number.POSITIVE_INFINITY);
      await new Promise((resolve) => setTimeout(resolve, LAG_SAMPLE_MS));
    }
  };
  const sampling = sample();
  await openLoop(BELOW_SATURATION, write);
  over = true;
  await sampling;
  lags.sort((a, b) => a - b);
  const lag = `${percentile(lags, 50)} at p50, ${percentile(lags, 99)} at p99, ${lags.at(-1)} at most`;
  return [
    `entries that the standby lacks at that load: ${lag} (${lags.length} samples)`,
    `append to sent: ${await appendToSent(replicator)}`,
  ];
}

interface HistogramValue {
  readonly metricName?: string;
  readonly labels: { readonly le?: number | string };
  readonly value: number;
}

/** The bound under which 99 % of the batches left. */
async function appendToSent(replicator: Pair["replicator"]): Promise<string> {
  const { registry } = (await replicator.metrics()) as { readonly registry: unknown };
  const metrics = registry as { readonly name: string; readonly values: HistogramValue[] }[];
  const values = metrics.find(({ name }) => name === DELAY_METRIC)?.values ?? [];
  const buckets = values.filter(({ metricName }) => metricName?.endsWith("_bucket"));
  const total = Math.max(0, ...buckets.map(({ value }) => value));
  const bound = buckets.find(({ value }) => value >= total * 0.99)?.labels.le;
  return `p99 at most ${typeof bound === "number" ? `${bound * 1000} ms` : bound} of ${total} batches`;
}

const EVERY_SECOND = "1s";
const EVERY_DAY = "24h";

/** What comparing the replicas costs writes. */
export async function benchVerification(directory: string): Promise<void> {
  const open = (name: string, interval: string) =>
    openPair(path.join(directory, name), { NORNICDB_CLUSTER_VERIFY_INTERVAL: interval });
  const off = await open("unverified", EVERY_DAY);
  const on = await open("verified", EVERY_SECOND);
  try {
    const base = "semi_sync, 64 in flight, nothing compared";
    const rows = await interleave(
      [
        { name: base, run: () => closedLoop(64, off.write) },
        {
          name: "semi_sync, 64 in flight, compared every second",
          run: () => closedLoop(64, on.write),
        },
      ],
      5,
    );
    const rated = withRatios(rows, ({ name }) => (name === base ? undefined : base));
    printTable("ha_standby, library as primary: comparing the replicas", rated, [
      `a case takes ${SECONDS} s; the default is to compare every 30 s`,
    ]);
    saveResults("ha-verification", rated);
  } finally {
    await off.close();
    await on.close();
  }
}

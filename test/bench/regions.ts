import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openLoop } from "./support/open-loop.js";
import { type Library, stopServer } from "./support/pair.js";
import { cpuSeconds, type Server, waitFor } from "./support/processes.js";
import { openRegion, regionPair, remoteLag, startRegion } from "./support/region-pair.js";
import { median, percentile, printTable, type Row, saveResults } from "./support/report.js";

const ENTRIES = 30_000;
const ROUNDS = 3;
const BACKLOG = Number(process.env.BENCH_ENTRIES ?? 200_000);
const IN_FLIGHT = 256;
const STEADY = 2_000;
const LAG_MS_MAX = 250;
/** Entries a second. */
const DRAINED_MIN = 10_000;
const DRAINED_MS_MAX = 180_000;

/** Processor time per entry, in microseconds. */
interface Costs {
  readonly write: number;
  readonly send: number;
  readonly receive: number;
}

const ownCpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

async function writeMany(library: Library, count: number): Promise<void> {
  let left = count;
  const writer = async () => {
    while (left-- > 0) await library.write();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
}

async function drained(library: Library): Promise<void> {
  const look = async () => ((await remoteLag(library)) === 0 ? true : undefined);
  await waitFor("the other region has all", look, DRAINED_MS_MAX);
}

/** Writes while the other region is away; then it comes, and takes what it lacks. */
async function costs(directory: string): Promise<Costs> {
  const pair = await regionPair(directory);
  const library = await openRegion(pair.eu);
  let server: Server | undefined;
  try {
    await waitFor("a first write", () => library.write().then(() => true));
    await writeMany(library, ENTRIES / 10);
    const beforeUs = ownCpuUs();
    await writeMany(library, ENTRIES);
    const writtenUs = ownCpuUs();
    server = await startRegion(pair.us);
    const startCpu = cpuSeconds(server.child);
    const sendUs = ownCpuUs();
    await drained(library);
    const sent = 1.1 * ENTRIES;
    return {
      write: (writtenUs - beforeUs) / ENTRIES,
      send: (ownCpuUs() - sendUs) / sent,
      receive: ((cpuSeconds(server.child) - startCpu) * 1e6) / sent,
    };
  } finally {
    if (server !== undefined) await stopServer(server);
    await library.close();
  }
}

async function benchCosts(directory: string): Promise<void> {
  const all: Costs[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    all.push(await costs(path.join(directory, `costs-${round}`)));
  }
  const [write, send, receive] = (["write", "send", "receive"] as const).map((name) =>
    median(all.map((one) => one[name])),
  ) as [number, number, number];
  const own = "a write of the region's own";
  const row = (name: string, us: number): Row => ({
    name,
    opsPerSecond: 1e6 / us,
    p50Ms: us / 1000,
    p99Ms: Number.NaN,
    cpuCores: 1,
    ...(name === own ? {} : { ratio: us / write, ratioOf: own }),
  });
  const rows = [
    row(own, write),
    row("telling another region of it", send),
    row("taking it there", receive),
  ];
  printTable("multi_region, regions of one node: processor time an entry of 256 bytes", rows, [
    `the middle of ${ROUNDS} rounds of ${ENTRIES} entries; p50 is the time of one, ops/s what one core would do`,
    "asked for: telling at most 0.15, taking at most 1.10",
  ]);
  saveResults("regions-costs", rows);
}

/** Begun writes by number, and how long after that each was seen in the other region. */
class Sightings {
  readonly latenciesMs: number[] = [];
  readonly #begunMs: number[] = [];
  readonly #library: Library;

  constructor(library: Library) {
    this.#library = library;
  }

  /** The library counts its writes in the order of the calls. */
  write(): Promise<void> {
    this.#begunMs.push(performance.now());
    return this.#library.write();
  }

  get begun(): number {
    return this.#begunMs.length;
  }

  /** Follows the changes of a server until all that was begun was seen. */
  async watch(url: string): Promise<void> {
    const stop = new AbortController();
    const response = await fetch(`${url}/changes?after=0`, { signal: stop.signal });
    if (response.body === null) throw new Error(`${url}/changes answers ${response.status}`);
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of response.body) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() as string;
      const nowMs = performance.now();
      for (const line of lines) {
        for (const [, number] of line.matchAll(/"number":(\d+)/g)) {
          this.latenciesMs.push(nowMs - (this.#begunMs[Number(number)] as number));
        }
      }
      if (this.latenciesMs.length >= this.begun) break;
    }
    stop.abort();
  }
}

/** How long after it was begun a write is seen in the other region. */
async function benchLag(directory: string): Promise<void> {
  const pair = await regionPair(path.join(directory, "lag"));
  const server = await startRegion(pair.us);
  const library = await openRegion(pair.eu);
  try {
    await waitFor("both in touch", () => remoteLag(library));
    const sightings = new Sightings(library);
    await waitFor("a first write", () => sightings.write().then(() => true));
    const watching = sightings.watch(server.url);
    const measured = await openLoop(STEADY, () => sightings.write());
    await sightings.write();
    await watching;
    const seen = sightings.latenciesMs.sort((a, b) => a - b);
    const rows: Row[] = [
      { ...measured, name: `own writes, ${STEADY} a second` },
      {
        name: "seen in the other region",
        opsPerSecond: Number.NaN,
        p50Ms: percentile(seen, 50),
        p99Ms: percentile(seen, 99),
        cpuCores: Number.NaN,
        ratio: percentile(seen, 99) / LAG_MS_MAX,
        ratioOf: `${LAG_MS_MAX} ms`,
      },
    ];
    const notes = [`${seen.length} writes, default batches; both regions share this machine`];
    printTable(
      "multi_region: from the call of a write to its sight in the other region",
      rows,
      notes,
    );
    saveResults("regions-lag", rows);
  } finally {
    await stopServer(server);
    await library.close();
  }
}

/** Another region comes back, and takes what was written meanwhile. */
async function benchBacklog(directory: string): Promise<void> {
  const pair = await regionPair(path.join(directory, "backlog"));
  const library = await openRegion(pair.eu, BACKLOG);
  let server: Server | undefined;
  try {
    await waitFor("a first write", () => library.write().then(() => true));
    const beginMs = performance.now();
    await writeMany(library, BACKLOG);
    const writtenMs = performance.now();
    server = await startRegion(pair.us);
    const inTouchMs = performance.now();
    await drained(library);
    const row = (name: string, ms: number, least?: number): Row => ({
      name,
      opsPerSecond: (BACKLOG / ms) * 1000,
      p50Ms: ms,
      p99Ms: Number.NaN,
      cpuCores: Number.NaN,
      ...(least === undefined
        ? {}
        : { ratio: ((BACKLOG / ms) * 1000) / least, ratioOf: `${least} a second` }),
    });
    const rows = [
      row("written alone", writtenMs - beginMs),
      row("taken by the other region", performance.now() - inTouchMs, DRAINED_MIN),
    ];
    printTable(`multi_region: a backlog of ${BACKLOG.toLocaleString("en-US")} entries`, rows);
    saveResults("regions-backlog", rows);
  } finally {
    if (server !== undefined) await stopServer(server);
    await library.close();
  }
}

/** Two regions of one node, this process and another one, both on this machine. */
export async function run(): Promise<void> {
  const directory = mkdtempSync(path.join(process.env.BENCH_DIR ?? tmpdir(), "nornic-bench-"));
  try {
    for (const bench of [benchCosts, benchLag, benchBacklog]) await bench(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

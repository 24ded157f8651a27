import { fork } from "node:child_process";
import {
  closeSync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createReplicator, loadConfig } from "../../pkg/index.js";
import { encodeOperations, openSqliteStorage } from "../../pkg/storage/index.js";
import {
  closedLoop,
  interleave,
  type Measured,
  SECONDS,
  withRatios,
} from "./support/closed-loop.js";
import { HttpLoad } from "./support/http-load.js";
import { type Server, startNornicd } from "./support/processes.js";
import { percentile, printTable, saveResults } from "./support/report.js";

const IN_FLIGHT = [1, 16, 64, 256];
const KEYS = 100_000;
const VALUE = "v".repeat(256);
const keyOf = (number: number) => `key${String((number * 7919) % KEYS).padStart(13, "0")}`;

/** What one write for each sync gives: append 400 bytes, `fdatasync`, again. */
async function syncEach(directory: string): Promise<Measured> {
  const file = openSync(path.join(directory, `sync-${performance.now()}`), "w");
  const bytes = Buffer.alloc(400, 7);
  const lat: number[] = [];
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  while (performance.now() - startMs < SECONDS * 1000) {
    const beginMs = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    lat.push(performance.now() - beginMs);
  }
  const wallMs = performance.now() - startMs;
  const used = process.cpuUsage(cpu);
  closeSync(file);
  lat.sort((a, b) => a - b);
  return {
    opsPerSecond: (lat.length / wallMs) * 1000,
    p50Ms: percentile(lat, 50),
    p99Ms: percentile(lat, 99),
    cpuCores: (used.user + used.system) / 1000 / wallMs,
  };
}

async function openLibrary(directory: string) {
  const storage = await openSqliteStorage({
    path: path.join(directory, "graph.db"),
    threads: "worker",
  });
  const { config } = loadConfig({ env: { NORNICDB_DATA_DIR: directory } });
  const replicator = createReplicator(config, storage);
  await replicator.start();
  let sequence = 0;
  const write = () => {
    const number = sequence++;
    const properties = { value: VALUE, number };
    return replicator.apply(encodeOperations([{ op: "put_node", id: keyOf(number), properties }]));
  };
  return { replicator, write };
}

async function benchLibrary(directory: string): Promise<void> {
  const { replicator, write } = await openLibrary(directory);
  const cases = IN_FLIGHT.map((inFlight) => ({
    name: `library, ${inFlight} in flight`,
    run: () => closedLoop(inFlight, write),
  }));
  const limit = { name: "one write per sync (limit)", run: () => syncEach(directory) };
  const rows = await interleave([limit, ...cases]);
  await replicator.shutdown();
  const rated = withRatios(rows, (row) =>
    row.name.startsWith("library") ? limit.name : undefined,
  );
  printTable("standalone, library: durable writes of 256 bytes", rated);
  saveResults("standalone-library", rated);
}

async function startBare(): Promise<Server> {
  const child = fork(fileURLToPath(new URL("./support/bare-http.js", import.meta.url)));
  const port = await new Promise((resolve) => child.once("message", resolve));
  return { url: `http://127.0.0.1:${String(port)}`, child };
}

async function measureHttp(
  url: string,
  connections: number,
  send: (load: HttpLoad) => Promise<void>,
): Promise<Measured> {
  const loads = await Promise.all(Array.from({ length: connections }, () => HttpLoad.open(url)));
  const measured = await closedLoop(connections, (caller) => send(loads[caller] as HttpLoad));
  for (const load of loads) load.close();
  return measured;
}

const BATCH = 32;

async function benchHttp(directory: string): Promise<void> {
  const [bare, server] = await Promise.all([
    startBare(),
    startNornicd({ NORNICDB_DATA_DIR: directory }),
  ]);
  let sequence = 0;
  const body = () => `{"properties":{"value":"${VALUE}","number":${sequence}}}`;
  const put = (load: HttpLoad) => load.send("PUT", `/nodes/${keyOf(sequence++)}`, body());
  const post = (load: HttpLoad) => load.send("POST", `/nodes/${keyOf(sequence++)}`, body());
  const batch = (load: HttpLoad) => {
    const operations = Array.from(
      { length: BATCH },
      () => `{"op":"put_node","id":"${keyOf(sequence++)}","properties":{"value":"${VALUE}"}}`,
    );
    return load.send("POST", "/commands", `{"commands":[${operations.join(",")}]}`);
  };
  const bareName = (connections: number) => `bare node:http, ${connections} connections (limit)`;
  const cases = IN_FLIGHT.flatMap((connections) => [
    { name: bareName(connections), run: () => measureHttp(bare.url, connections, post) },
    {
      name: `HTTP, ${connections} connections`,
      run: () => measureHttp(server.url, connections, put),
    },
  ]);
  const batched = {
    name: `HTTP, 64 connections, batches of ${BATCH} (writes)`,
    run: async () => {
      const measured = await measureHttp(server.url, 64, batch);
      return { ...measured, opsPerSecond: measured.opsPerSecond * BATCH };
    },
  };
  const rows = await interleave([...cases, batched]);
  bare.child.kill("SIGKILL");
  server.child.kill("SIGTERM");
  const rated = withRatios(rows, (row) => {
    const connections = /(\d+) connections/.exec(row.name)?.[1];
    return row.name.startsWith("HTTP") ? bareName(Number(connections)) : undefined;
  });
  printTable("standalone, HTTP: durable writes of 256 bytes", rated, [
    "cores are those of the load generator; server and generator share the machine",
  ]);
  saveResults("standalone-http", rated);
}

export async function run(): Promise<void> {
  const directory = mkdtempSync(path.join(process.env.BENCH_DIR ?? tmpdir(), "nornic-bench-"));
  try {
    for (const [name, bench] of [
      ["library", benchLibrary],
      ["server", benchHttp],
    ] as const) {
      const own = path.join(directory, name);
      mkdirSync(own);
      await bench(own);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

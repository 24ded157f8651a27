import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { toLogIndex, toTerm } from "../../pkg/base/index.js";
import type { Entry } from "../../pkg/replication/ports/index.js";
import { systemTimers } from "../../pkg/runtime/node/index.js";
import {
  encodeOperations,
  openSqliteStorage,
  type SqliteStorage,
} from "../../pkg/storage/index.js";
import { cpuSampler, percentile, printTable, type Row, saveResults } from "./support/report.js";

/** Commands of a case: as many as take about that long. */
const COMMANDS = Math.ceil(Number(process.env.BENCH_SECONDS ?? 3) * 64) * 1_024;
const READS = COMMANDS / 2;
const ROWS_PER_TRANSACTION = 8_192;
const TEXT = "x".repeat(200);

const idOf = (i: number) => `node-${String((i * 7919) % COMMANDS).padStart(9, "0")}`;
const propertiesOf = (i: number) => ({ email: "someone@example.com", n: i, name: TEXT });

/** One `put_node` with about 256 bytes of properties a command, under a UUIDv7 of its own. */
function makeEntry(i: number): Entry {
  const { type, data } = encodeOperations([
    { op: "put_node", id: idOf(i), labels: ["Person"], properties: propertiesOf(i) },
  ]);
  const payload = JSON.stringify({
    Type: type,
    Data: Buffer.from(data).toString("base64"),
    Timestamp: "2026-01-02T03:04:05.123Z",
    RequestID: `019b7d4a-0000-7000-8000-${i.toString(16).padStart(12, "0")}`,
  });
  return {
    index: toLogIndex(i + 1),
    term: toTerm(1),
    kind: "command",
    payload: Buffer.from(payload),
  };
}

/** Runs `step` until it answers false; one latency for each call. */
async function measure(
  name: string,
  perStep: number,
  step: (i: number) => Promise<boolean> | boolean,
): Promise<Row> {
  const cpu = cpuSampler();
  const latencies: number[] = [];
  const startMs = performance.now();
  let done = 0;
  for (let more = true; more; done += 1) {
    const beginMs = performance.now();
    more = await step(done);
    latencies.push(performance.now() - beginMs);
  }
  const seconds = (performance.now() - startMs) / 1000;
  latencies.sort((a, b) => a - b);
  return {
    name,
    opsPerSecond: (done * perStep) / seconds,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    cpuCores: cpu(),
  };
}

/** The same rows by hand: one upsert each, thousands in a transaction, nothing else. */
async function rawUpserts(folder: string): Promise<Row> {
  const database = new Database(path.join(folder, "raw.db"));
  for (const pragma of ["journal_mode = wal", "synchronous = 1", "cache_size = -65536"]) {
    database.pragma(pragma);
  }
  database.exec("CREATE TABLE nodes (id TEXT UNIQUE NOT NULL, properties TEXT NOT NULL)");
  const upsert = database.prepare(
    "INSERT INTO nodes VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET properties = excluded.properties",
  );
  const row = await measure("raw better-sqlite3 upserts", ROWS_PER_TRANSACTION, (batch) => {
    const first = batch * ROWS_PER_TRANSACTION;
    database.exec("BEGIN");
    for (let i = first; i < first + ROWS_PER_TRANSACTION; i += 1) {
      upsert.run(idOf(i), JSON.stringify(propertiesOf(i)));
    }
    database.exec("COMMIT");
    return first + ROWS_PER_TRANSACTION < COMMANDS;
  });
  database.close();
  return row;
}

async function applyIn(
  storage: SqliteStorage,
  name: string,
  entries: readonly Entry[],
  size: number,
) {
  return measure(name, size, async (batch) => {
    await storage.applyBatch(entries.slice(batch * size, (batch + 1) * size));
    if (batch % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    return (batch + 1) * size < entries.length;
  });
}

async function benchReads(storage: SqliteStorage): Promise<Row[]> {
  const position = await storage.getWALPosition();
  const points = await measure("point reads", 1, async (i) => {
    await storage.getNode(idOf(i), position);
    return i + 1 < READS;
  });
  let cursor: string | undefined;
  const scan = await measure("label scan, 1,000 a page", 1_000, async () => {
    const page = await storage.findNodes({ label: "Person", limit: 1_000, cursor }, position);
    cursor = page.cursor;
    return cursor !== undefined;
  });
  const copy = await measure(`snapshot of ${COMMANDS} nodes`, COMMANDS, async () => {
    const snapshot = await storage.snapshot();
    for await (const chunk of snapshot.chunks()) if (chunk.length === 0) break;
    await snapshot.close();
    return false;
  });
  return [points, scan, copy];
}

/** Apply rates by batch size in this thread and in a thread of its own, reads, a snapshot. */
export async function run(): Promise<void> {
  const entries = Array.from({ length: COMMANDS }, (_, i) => makeEntry(i));
  const folder = mkdtempSync(path.join(tmpdir(), "bench-storage-"));
  const raw = await rawUpserts(folder);
  const rows: Row[] = [raw];
  const cases = [
    ["single", 1],
    ["single", 64],
    ["single", 256],
    ["single", 1_024],
    ["worker", 256],
  ] as const;
  for (const [threads, size] of cases) {
    const storage = await openSqliteStorage({
      path: path.join(folder, `${threads}-${size}.db`),
      threads,
      timers: systemTimers,
    });
    const count = size === 1 ? COMMANDS / 4 : COMMANDS;
    const name = `apply, ${threads}, batches of ${size}`;
    const row = await applyIn(storage, name, entries.slice(0, count), size);
    rows.push({ ...row, ratio: row.opsPerSecond / raw.opsPerSecond, ratioOf: raw.name });
    if (threads === "worker") rows.push(...(await benchReads(storage)));
    await storage.close();
  }
  rmSync(folder, { recursive: true });
  printTable("storage: put_node of 256 bytes", rows);
  saveResults("storage", rows);
}

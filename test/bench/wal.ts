import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LogIndex, type Term, toTerm } from "../../pkg/base/index.js";
import type { Entry } from "../../pkg/replication/ports/index.js";
import { noMetrics, silentLogger } from "../../pkg/runtime/index.js";
import { nodeFileSystem, systemClock } from "../../pkg/runtime/node/index.js";
import { openSegmentedLog, type SegmentedLog } from "../../pkg/storage/log/index.js";
import {
  cpuSampler,
  median,
  percentile,
  printTable,
  type Row,
  saveResults,
} from "./support/report.js";

const PAYLOAD_BYTES = 256;
const RECORD_BYTES = PAYLOAD_BYTES + 32;
const ROUNDS = 3;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
/** Syncs of a round: three rounds take about that long on a disk that needs 5 ms for one. */
const SYNCS = Math.ceil(SECONDS * 50);
const OPEN_ENTRIES = Math.ceil(SECONDS * 330) * 1_000;
const PAYLOAD = new TextEncoder().encode("x".repeat(PAYLOAD_BYTES));
const TERM = toTerm(1);
const fileSystem = nodeFileSystem();

function batch(from: number, count: number): Entry[] {
  return Array.from({ length: count }, (_, i) => ({
    index: (from + i) as LogIndex,
    term: TERM as Term,
    kind: "command" as const,
    payload: PAYLOAD,
  }));
}

function open(directory: string): Promise<SegmentedLog> {
  return openSegmentedLog({
    directory,
    fileSystem,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
    clusterId: "bench",
  });
}

async function inFolder<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "bench-wal-"));
  try {
    return await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Times `turns` of one step that handles `perTurn` entries. */
async function measure(
  name: string,
  turns: number,
  perTurn: number,
  step: (turn: number) => unknown,
): Promise<Row> {
  const times: number[] = [];
  const cores = cpuSampler();
  const startMs = performance.now();
  for (let turn = 0; turn < turns; turn += 1) {
    const turnMs = performance.now();
    const result = step(turn);
    if (result instanceof Promise) await result;
    times.push(performance.now() - turnMs);
  }
  const seconds = (performance.now() - startMs) / 1000;
  times.sort((a, b) => a - b);
  return {
    name,
    opsPerSecond: (turns * perTurn) / seconds,
    p50Ms: percentile(times, 50),
    p99Ms: percentile(times, 99),
    cpuCores: cores(),
  };
}

function logRow(perSync: number): Promise<Row> {
  return inFolder(async (directory) => {
    await using log = await open(directory);
    return await measure(`log, ${perSync} per sync`, SYNCS, perSync, (turn) => {
      log.append(batch(turn * perSync + 1, perSync));
      return log.sync();
    });
  });
}

function plainRow(perSync: number): Promise<Row> {
  return inFolder(async (directory) => {
    const file = fileSystem.open(join(directory, "plain"), "create");
    const bytes = new Uint8Array(perSync * RECORD_BYTES).fill(120);
    const row = await measure(`plain write + fdatasync, ${perSync}`, SYNCS, perSync, (turn) => {
      file.write(bytes, turn * bytes.length);
      return file.sync();
    });
    file.close();
    return row;
  });
}

function unsyncedRow(perAppend: number): Promise<Row> {
  return inFolder(async (directory) => {
    await using log = await open(directory);
    const batches = Array.from({ length: 1_000 }, (_, i) => batch(i * perAppend + 1, perAppend));
    return await measure(`append without sync, ${perAppend} per append`, 1_000, perAppend, (turn) =>
      log.append(batches[turn] as Entry[]),
    );
  });
}

function plainUnsyncedRow(perAppend: number): Promise<Row> {
  return inFolder(async (directory) => {
    const file = fileSystem.open(join(directory, "plain"), "create");
    const bytes = new Uint8Array(perAppend * RECORD_BYTES).fill(120);
    const row = await measure(`plain write, ${perAppend}`, 1_000, perAppend, (turn) =>
      file.write(bytes, turn * bytes.length),
    );
    file.close();
    return row;
  });
}

async function fill(directory: string): Promise<void> {
  await using log = await open(directory);
  for (let next = 1; next <= OPEN_ENTRIES; next += 10_000) {
    log.append(batch(next, Math.min(10_000, OPEN_ENTRIES - next + 1)));
    await log.sync();
  }
}

async function openRows(): Promise<readonly [Row[], Row[]]> {
  return inFolder(async (directory) => {
    await fill(directory);
    const opened: Row[] = [];
    const plain: Row[] = [];
    const buffer = new Uint8Array(1024 * 1024);
    for (let round = 0; round < ROUNDS; round += 1) {
      let log: SegmentedLog | undefined;
      opened.push(
        await measure(`open ${OPEN_ENTRIES} entries`, 1, OPEN_ENTRIES, async () => {
          log = await open(directory);
        }),
      );
      await log?.close();
      plain.push(
        await measure("plain reading of the same files", 1, OPEN_ENTRIES, () => {
          for (const name of fileSystem.list(directory)) {
            const file = fileSystem.open(join(directory, name), "read");
            for (let at = 0, n = 1; n > 0; at += n) n = file.read(buffer, at);
            file.close();
          }
        }),
      );
    }
    return [opened, plain] as const;
  });
}

function middle(rows: readonly Row[]): Row {
  const of = (pick: (row: Row) => number) => median(rows.map(pick));
  return {
    name: (rows[0] as Row).name,
    opsPerSecond: of((row) => row.opsPerSecond),
    p50Ms: of((row) => row.p50Ms),
    p99Ms: of((row) => row.p99Ms),
    cpuCores: of((row) => row.cpuCores),
  };
}

function compare(ours: readonly Row[], limit: readonly Row[]): Row[] {
  const row = middle(ours);
  const bound = middle(limit);
  return [{ ...row, ratio: row.opsPerSecond / bound.opsPerSecond, ratioOf: "plain" }, bound];
}

/** The log beside the bare disk: ours and the limit in turns, medians of three. */
export async function run(): Promise<void> {
  const rows: Row[] = [];
  const cases = [
    ...[1, 16, 64, 256, 1024].map((count) => [() => logRow(count), () => plainRow(count)] as const),
    [() => unsyncedRow(256), () => plainUnsyncedRow(256)] as const,
  ];
  for (const [ours, limit] of cases) {
    const oursRows: Row[] = [];
    const limitRows: Row[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      oursRows.push(await ours());
      limitRows.push(await limit());
    }
    rows.push(...compare(oursRows, limitRows));
  }
  rows.push(...compare(...(await openRows())));
  printTable("Write-ahead log, 256-byte payloads", rows, [
    "operations are entries; p50 and p99 are of one append and sync, or of one opening",
  ]);
  saveResults("wal", rows);
}

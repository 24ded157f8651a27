import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

/** One measured line. `ratio` compares it with the line or limit that `ratioOf` names. */
export interface Row {
  name: string;
  opsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuCores: number;
  ratio?: number;
  ratioOf?: string;
}

/** @returns the nearest-rank percentile `p` (0-100) of ascending values; `NaN` for none */
export function percentile(sortedMs: readonly number[], p: number): number {
  if (sortedMs.length === 0) return Number.NaN;
  const rank = Math.ceil((p / 100) * sortedMs.length);
  return sortedMs[Math.min(sortedMs.length - 1, Math.max(0, rank - 1))] as number;
}

/** @returns the middle value, the lower one of two; `NaN` for none */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return percentile(sorted, 50);
}

/** Starts counting; the call it returns answers the mean number of busy cores since the start. */
export function cpuSampler(): () => number {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  return () => {
    const used = process.cpuUsage(cpu);
    const wallMs = performance.now() - startMs;
    return wallMs > 0 ? (used.user + used.system) / 1000 / wallMs : 0;
  };
}

const count = (value: number) => Math.round(value).toLocaleString("en-US");
const milliseconds = (value: number) => (Number.isNaN(value) ? "-" : value.toFixed(3));
const HEAD = ["name", "ops/s", "p50 ms", "p99 ms", "cores", "ratio"];

function cells(row: Row): string[] {
  const ratio =
    row.ratio === undefined
      ? ""
      : `${row.ratio.toFixed(2)}${row.ratioOf === undefined ? "" : ` of ${row.ratioOf}`}`;
  return [
    row.name,
    count(row.opsPerSecond),
    milliseconds(row.p50Ms),
    milliseconds(row.p99Ms),
    row.cpuCores.toFixed(2),
    ratio,
  ];
}

/** @returns the lines of an aligned text table */
export function table(rows: readonly Row[]): string[] {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((l) => l[column]?.length ?? 0)));
  const text = (line: readonly string[]) =>
    line
      .map((cell, column) => {
        const width = widths[column] as number;
        return column === 0 || column === HEAD.length - 1
          ? cell.padEnd(width)
          : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return lines.map(text);
}

export function printTable(
  title: string,
  rows: readonly Row[],
  notes: readonly string[] = [],
): void {
  const lines = [title, ...table(rows), ...notes.map((note) => `  ${note}`)];
  process.stdout.write(`\n${lines.join("\n")}\n`);
}

function currentCommit(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

/**
 * Writes `NAME.json` with the rows, the commit, the Node version, the machine and the date into
 * `bench-results`, or the folder that the environment variable `BENCH_RESULTS` names.
 * @returns the path written
 */
export function saveResults(name: string, rows: readonly Row[]): string {
  const folder = process.env.BENCH_RESULTS ?? "bench-results";
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  const result = {
    name,
    commit: currentCommit(),
    node: process.version,
    cpus: cpus().length,
    cpuModel: cpus()[0]?.model ?? "unknown",
    date: new Date().toISOString(),
    rows,
  };
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  return path;
}

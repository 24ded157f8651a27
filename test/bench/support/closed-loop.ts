import { cpuSampler, median, percentile, type Row } from "./report.js";

export interface Measured {
  readonly opsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuCores: number;
}

/** Seconds of one measurement. */
export const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const WARM_UP_MS = 700;

/** `inFlight` callers, each with one operation under way. An error ends the measurement. */
export async function closedLoop(
  inFlight: number,
  operation: (caller: number) => Promise<unknown>,
): Promise<Measured> {
  const lat: number[] = [];
  const startMs = performance.now();
  const fromMs = startMs + WARM_UP_MS;
  const untilMs = fromMs + SECONDS * 1000;
  let readCpu: (() => number) | undefined;
  let cpuCores = 0;
  const caller = async (number: number) => {
    for (;;) {
      const beginMs = performance.now();
      if (beginMs >= untilMs) return;
      await operation(number);
      const endMs = performance.now();
      if (endMs < fromMs) continue;
      readCpu ??= cpuSampler();
      if (endMs < untilMs) {
        lat.push(endMs - beginMs);
        if (lat.length % 4096 === 0) cpuCores = readCpu();
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, number) => caller(number)));
  cpuCores = readCpu?.() ?? cpuCores;
  lat.sort((a, b) => a - b);
  return {
    opsPerSecond: lat.length / SECONDS,
    p50Ms: percentile(lat, 50),
    p99Ms: percentile(lat, 99),
    cpuCores,
  };
}

/** Rounds over all cases, so that they share good and bad moments; the middle of each counts. */
export async function interleave(
  cases: readonly { readonly name: string; run(): Promise<Measured> }[],
  rounds = 3,
): Promise<Row[]> {
  const runs: Measured[][] = cases.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, { run }] of cases.entries()) runs[at]?.push(await run());
  }
  return cases.map(({ name }, at) => {
    const own = runs[at] ?? [];
    return {
      name,
      opsPerSecond: median(own.map((run) => run.opsPerSecond)),
      p50Ms: median(own.map((run) => run.p50Ms)),
      p99Ms: median(own.map((run) => run.p99Ms)),
      cpuCores: median(own.map((run) => run.cpuCores)),
    };
  });
}

/** Fills in `ratio` of the rows that `of` chooses a base for. */
export function withRatios(rows: readonly Row[], base: (row: Row) => string | undefined): Row[] {
  return rows.map((row) => {
    const name = base(row);
    const other = rows.find((candidate) => candidate.name === name);
    return other === undefined
      ? row
      : { ...row, ratio: row.opsPerSecond / other.opsPerSecond, ratioOf: other.name };
  });
}

import type { ExitCode } from "../exit-codes.js";

/** What a verb found: the same facts for people and, under `--json`, for programs. */
export interface Answer {
  readonly exit: ExitCode;
  readonly json: object;
  /** Ends in a newline. */
  readonly text: string;
}

/** Rows of cells under each other, the columns two blanks apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) => `${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")}`.trimEnd())
    .map((line) => `${line}\n`)
    .join("");
}

/** A stretch of the log in words. */
export function rangeText(first: unknown, last: unknown): string {
  if (typeof first !== "number" || typeof last !== "number") return "-";
  return last < first ? `none after ${last}` : `${first}..${last}`;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

export function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

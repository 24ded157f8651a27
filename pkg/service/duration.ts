import { ReplicationError } from "../replication/index.js";

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const FORM = /^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;

/**
 * Reads a duration as Go writes it (`250ms`, `1.5s`, `1m30s`).
 * @returns milliseconds, above 0 and at most `maxMs`
 * @throws ReplicationError `INVALID`, naming `field`
 */
export function parseDurationMs(text: string, options: { field: string; maxMs: number }): number {
  const { field, maxMs } = options;
  let ms = Number.NaN;
  if (text.length <= 64 && FORM.test(text)) {
    ms = 0;
    for (const [, amount, unit] of text.matchAll(PART)) ms += Number(amount) * UNIT_MS[unit!]!;
  }
  if (!(ms > 0 && ms <= maxMs)) {
    throw new ReplicationError(
      "INVALID",
      `${field}: a duration above 0 and up to ${maxMs} ms is needed`,
      { field, hint: "write it with its unit, such as 250ms, 1.5s or 1m" },
    );
  }
  return ms;
}

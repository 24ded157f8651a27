import type { Arguments } from "./arguments.js";

/** What the time that writes took is held to; a bound that was not given is null. */
export interface Bounds {
  readonly minMs: number | null;
  readonly maxMs: number | null;
  /** Writes a second. */
  readonly minRate: number | null;
}

export function toBounds(args: Arguments): Bounds {
  const optional = (name: string) => {
    const value = args.number(name, -1);
    return value < 0 ? null : value;
  };
  return {
    minMs: optional("min_ms"),
    maxMs: optional("max_ms"),
    minRate: optional("min_rate"),
  };
}

/** Says only whether each bound holds, so that the output is the same at every run. */
export function judge(
  { tookMs, count }: { readonly tookMs: number; readonly count: number },
  { minMs, maxMs, minRate }: Bounds,
): readonly string[] {
  const said: string[] = [];
  const took = `${Math.round(tookMs)} ms`;
  const rate = (count / tookMs) * 1_000;
  if (minMs !== null) said.push(tookMs >= minMs ? "not too soon" : `too soon: ${took}`);
  if (maxMs !== null) said.push(tookMs <= maxMs ? "in time" : `late: ${took}`);
  if (minRate !== null) {
    said.push(rate >= minRate ? "fast enough" : `too slow: ${Math.round(rate)} a second`);
  }
  return said;
}

import { systemClock } from "../../../pkg/runtime/node/index.js";
import type { Command } from "../command.js";
import type { World } from "../world.js";

export const write: Command = {
  usage:
    "write NODE [count=N] [parallel=N] [bytes=N] [timeout=D] [min_ms=N] [max_ms=N] [min_rate=N]",
  async run(world, args) {
    const id = args.word(0, "the node");
    const count = args.number("count", 1);
    const parallel = args.number("parallel", 1);
    const value = "x".repeat(args.number("bytes", 1));
    const timeout = args.text("timeout");
    const bounds = {
      minMs: args.number("min_ms", 0),
      maxMs: args.number("max_ms", Number.MAX_SAFE_INTEGER),
      minRate: args.number("min_rate", 0),
    };
    args.finish();
    const query = timeout === undefined ? "" : `?timeout=${timeout}`;
    const outcomes = new Map<string, number>();
    let left = count;
    const writer = async () => {
      while (left > 0) {
        left -= 1;
        const outcome = await writeOne(world, id, query, value);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const sinceMs = systemClock.monotonicMs();
    await Promise.all(Array.from({ length: parallel }, writer));
    const tookMs = systemClock.monotonicMs() - sinceMs;
    const seen = [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      ...seen.map(([outcome, times]) => `${times} ${outcome}`),
      ...timing(tookMs, count, bounds),
    ].join(", ");
  },
};

async function writeOne(world: World, id: string, query: string, value: string): Promise<string> {
  const route = `/nodes/${world.nextId()}${query}`;
  const { status, body } = await world.ask(id, "PUT", route, { properties: { value } });
  if (status === 201) return `acknowledged (${body.receipt.durability})`;
  return `refused ${status} ${body.code} ${body.outcome}`;
}

interface Bounds {
  readonly minMs: number;
  readonly maxMs: number;
  readonly minRate: number;
}

/** Says only whether a bound holds, so that the output is the same at every run. */
function timing(tookMs: number, count: number, { minMs, maxMs, minRate }: Bounds): string[] {
  const said: string[] = [];
  const took = `${Math.round(tookMs)} ms`;
  if (minMs > 0) said.push(tookMs >= minMs ? "not too soon" : `too soon: ${took}`);
  if (maxMs < Number.MAX_SAFE_INTEGER) said.push(tookMs <= maxMs ? "in time" : `late: ${took}`);
  const rate = (count / tookMs) * 1_000;
  if (minRate > 0)
    said.push(rate >= minRate ? "fast enough" : `too slow: ${Math.round(rate)} a second`);
  return said;
}

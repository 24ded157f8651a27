import { systemClock } from "../../../pkg/runtime/node/index.js";
import type { Command } from "../command.js";
import { judge, toBounds } from "../pace.js";
import type { World } from "../world.js";

export const write: Command = {
  usage:
    "write NODE [count=N] [parallel=N] [id=ID] [bytes=N] [value=TEXT] [timeout=D] [durability=D] [least=DURABILITY] [min_ms=N] [max_ms=N] [min_rate=N]",
  async run(world, args) {
    const id = args.word(0, "the node");
    const count = args.number("count", 1);
    const parallel = args.number("parallel", 1);
    const value = args.text("value") ?? "x".repeat(args.number("bytes", 1));
    const timeout = args.text("timeout");
    const durability = args.text("durability");
    const fixed = args.text("id");
    const least = args.text("least");
    const bounds = toBounds(args);
    args.finish();
    const asked = Object.entries({ timeout, durability }).filter(
      ([, value]) => value !== undefined,
    );
    const query = asked
      .map(([name, value], at) => `${at === 0 ? "?" : "&"}${name}=${value}`)
      .join("");
    const outcomes = new Map<string, number>();
    let left = count;
    const writer = async () => {
      while (left > 0) {
        left -= 1;
        const outcome = await writeOne(
          world,
          id,
          `/nodes/${fixed ?? world.nextId()}${query}`,
          value,
          least,
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const sinceMs = systemClock.monotonicMs();
    await Promise.all(Array.from({ length: parallel }, writer));
    const tookMs = systemClock.monotonicMs() - sinceMs;
    const seen = [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      ...seen.map(([outcome, times]) => `${times} ${outcome}`),
      ...judge({ tookMs, count }, bounds),
    ].join(", ");
  },
};

const DURABILITIES = ["local", "received", "persisted", "quorum"];

/** A receipt may tell of more than was waited for, so a script may ask for a least. */
async function writeOne(
  world: World,
  id: string,
  route: string,
  value: string,
  least: string | undefined,
): Promise<string> {
  const { status, body } = await world.ask(id, "PUT", route, { properties: { value } });
  if (status === 201 || status === 200) {
    const { durability } = body.receipt;
    const isMore =
      least !== undefined && DURABILITIES.indexOf(durability) >= DURABILITIES.indexOf(least);
    return `acknowledged (${isMore ? least : durability})`;
  }
  return `refused ${status} ${body.code} ${body.outcome}`;
}

import {
  CommandType,
  ReplicationError,
  type Command as Write,
} from "../../../pkg/replication/index.js";
import { systemClock } from "../../../pkg/runtime/node/index.js";
import { encodeOperations } from "../../../pkg/storage/index.js";
import type { Command } from "../command.js";
import { judge, toBounds } from "../pace.js";
import type { World } from "../world.js";

export const apply: Command = {
  usage:
    "apply NAME,… [count=N] [data=none] [id=ID] [bytes=N] [timeout_ms=N] [min_rate=N]: all at once, in each",
  async run(world, args) {
    const names = args.list(0, "the names");
    const count = args.number("count", 1);
    const isEmpty = args.text("data") === "none";
    const value = "x".repeat(args.number("bytes", 1));
    const timeoutMs = args.number("timeout_ms", 5_000);
    const bounds = toBounds(args);
    const fixed = args.text("id");
    args.finish();
    const make = (): Write =>
      isEmpty
        ? { type: CommandType.unknown, data: new Uint8Array() }
        : encodeOperations([
            { op: "put_node", id: fixed ?? world.nextId(), properties: { value } },
          ]);
    const sinceMs = systemClock.monotonicMs();
    const outcomes = await Promise.all(
      names.flatMap((name) =>
        Array.from({ length: count }, () => applyOne(world, name, make, timeoutMs)),
      ),
    );
    const tookMs = systemClock.monotonicMs() - sinceMs;
    const kinds = [...new Set(outcomes)].sort();
    return [
      ...kinds.map((kind) => `${outcomes.filter((outcome) => outcome === kind).length} ${kind}`),
      ...judge({ tookMs, count: outcomes.length }, bounds),
    ].join(", ");
  },
};

async function applyOne(world: World, name: string, make: () => Write, timeoutMs: number) {
  try {
    const { durability } = await world.library(name).apply(make(), { timeoutMs });
    return `acknowledged (${durability})`;
  } catch (error) {
    if (!(error instanceof ReplicationError)) throw error;
    return `refused ${error.code} ${error.outcome}`;
  }
}

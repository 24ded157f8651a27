import type { Command } from "../command.js";
import type { World } from "../world.js";

interface Side {
  readonly origin: string;
  readonly value?: unknown;
  readonly seq: number;
}

export interface ListedConflict {
  readonly id: string;
  readonly key: string;
  readonly field: string;
  readonly winner: Side;
  readonly losers: readonly Side[];
}

export async function listConflicts(world: World, id: string): Promise<readonly ListedConflict[]> {
  const { status, body } = await world.ask(id, "GET", "/admin/conflicts");
  if (status !== 200) throw new Error(`${id}: ${status} ${JSON.stringify(body)}`);
  return body.conflicts;
}

const shown = ({ origin, value }: Side) =>
  `${origin} ${value === undefined ? "took it away" : JSON.stringify(value)}`;

export const conflicts: Command = {
  usage: "conflicts NODE COUNT: it comes to list so many; what won over what",
  async run(world, args) {
    const id = args.word(0, "the node");
    const count = Number(args.word(1, "the count"));
    const found = await world.until(`${id} lists ${count} conflicts`, async () => {
      const listed = await listConflicts(world, id);
      return listed.length === count && listed;
    });
    const lines = found.map(({ key, field, winner, losers }) =>
      [`${key} ${field}:`, shown(winner), "over", losers.map(shown).join(", ")].join(" "),
    );
    return lines.length === 0 ? "none" : lines.join("; ");
  },
};

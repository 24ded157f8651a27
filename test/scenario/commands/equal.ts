import type { Command } from "../command.js";
import type { World } from "../world.js";
import { listConflicts } from "./conflicts.js";

const PAGE = 1_000;

export const equal: Command = {
  usage: "equal NODE,…: of any regions; they come to show the same nodes and the same conflicts",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    await world.until("they are equal", async () => {
      const pictures = await Promise.all(ids.map((id) => picture(world, id)));
      return new Set(pictures).size === 1;
    });
    return "equal";
  },
};

/** Without versions, which are positions in the log of one region. */
async function picture(world: World, id: string): Promise<string> {
  const nodes: unknown[] = [];
  let cursor: string | undefined;
  do {
    const after = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const { body } = await world.ask(id, "GET", `/nodes?consistency=ONE&limit=${PAGE}${after}`);
    for (const { version: _version, ...node } of body.items) nodes.push(node);
    cursor = body.cursor;
  } while (cursor !== undefined);
  return JSON.stringify([nodes, await listConflicts(world, id)]);
}

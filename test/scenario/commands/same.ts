import type { Command } from "../command.js";
import type { World } from "../world.js";

const PAGE = 1_000;

export const same: Command = {
  usage: "same NODE,…: they come to one commit, one applied index, and the same nodes and versions",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    await world.until("they are the same", async () => {
      const pictures = await Promise.all(ids.map((id) => picture(world, id)));
      return new Set(pictures).size === 1;
    });
    for (const id of ids) {
      // Unknown is no answer: a link may be on its way back.
      const body = await world.until(`${id} compares them`, async () => {
        const answer = await world.ask(id, "POST", "/admin/verify");
        return answer.body.replicas?.result === "unknown" ? undefined : answer.body;
      });
      if (body.equal !== true) throw new Error(`${id}: ${JSON.stringify(body)}`);
    }
    return "the same";
  },
};

async function picture(world: World, id: string): Promise<string> {
  const { term, commit_index, applied_index } = await world.health(id);
  const items: unknown[] = [];
  let cursor: string | undefined;
  do {
    const after = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const route = `/nodes?consistency=ONE&limit=${PAGE}${after}`;
    const { body } = await world.ask(id, "GET", route);
    items.push(...body.items);
    cursor = body.cursor;
  } while (cursor !== undefined);
  return JSON.stringify({ term, commit_index, applied_index, items });
}

import type { Command } from "../command.js";

export const holds: Command = {
  usage: "holds NODE,… COUNT: each comes to have exactly so many graph nodes, by its own account",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    const wanted = Number(args.word(1, "the count"));
    for (const id of ids) {
      let has: number | undefined;
      await world
        .until(`${id} has ${wanted}`, async () => {
          has = (await world.ask(id, "GET", "/counts?consistency=ONE")).body.nodes;
          return has === wanted;
        })
        .catch((cause: unknown) => {
          throw new Error(`${id} has ${has}, not ${wanted}`, { cause });
        });
    }
    return `${wanted} each`;
  },
};

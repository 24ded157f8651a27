import type { Command } from "../command.js";

export const mark: Command = {
  usage: "mark NODE: its term and leader are remembered",
  async run(world, args) {
    const { term, leader_id } = await world.health(args.word(0, "the node"));
    world.mark = { term, leader: leader_id };
    return "remembered";
  },
};

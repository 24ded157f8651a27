import type { Command } from "../command.js";

export const unmoved: Command = {
  usage: "unmoved NODE,…: they have the term and the leader of the mark",
  async run(world, args) {
    const { term, leader } = world.mark;
    for (const id of args.list(0, "the nodes")) {
      const now = await world.health(id);
      if (now.term !== term || now.leader_id !== leader) {
        return `${id}: term ${term} of ${leader} became ${now.term} of ${now.leader_id}`;
      }
    }
    return "unmoved";
  },
};

import type { Command } from "../command.js";

export const cut: Command = {
  usage: "cut NODE [ways=both|in|out]: bytes between it and all others wait until `heal`",
  async run(world, args) {
    const id = args.word(0, "the node");
    const ways = args.text("ways") ?? "both";
    for (const other of world.links.others(id)) {
      if (ways !== "in") world.links.cut(id, other);
      if (ways !== "out") world.links.cut(other, id);
    }
    return "cut";
  },
};

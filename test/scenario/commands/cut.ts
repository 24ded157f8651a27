import type { Command } from "../command.js";

export const cut: Command = {
  usage:
    "cut NODE,… [from=NODE,…] [ways=both|in|out]: bytes between them and those, or all others, wait until `heal`",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    const ways = args.text("ways") ?? "both";
    const from = args.text("from")?.split(",");
    for (const id of ids) {
      for (const other of from ?? world.links.others(id)) {
        if (ways !== "in") world.links.cut(id, other);
        if (ways !== "out") world.links.cut(other, id);
      }
    }
    return "cut";
  },
};

import type { Command } from "../command.js";

export const begin: Command = {
  usage: "begin NAME,…",
  async run(world, args) {
    await Promise.all(args.list(0, "the names").map((name) => world.library(name).start()));
    return "started";
  },
};

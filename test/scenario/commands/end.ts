import type { Command } from "../command.js";

export const end: Command = {
  usage: "end NAME,…",
  async run(world, args) {
    await Promise.all(args.list(0, "the names").map((name) => world.library(name).shutdown()));
    return "closed";
  },
};

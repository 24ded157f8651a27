import type { Command } from "../command.js";

export const position: Command = {
  usage: "position NAME: what a replicator that runs as a library has logged and applied",
  async run(world, args) {
    const { lastIndex, appliedIndex } = await world.library(args.word(0, "the name")).health();
    return `logged ${lastIndex}, applied ${appliedIndex}`;
  },
};

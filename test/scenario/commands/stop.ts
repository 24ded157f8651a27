import type { Command } from "../command.js";

export const stop: Command = {
  usage: "stop NODE,…",
  async run(world, args) {
    await Promise.all(args.list(0, "the nodes").map((id) => world.member(id).stop()));
    return "stopped";
  },
};

import type { Command } from "../command.js";

export const witness: Command = {
  usage: "witness NODE: holds leases and nothing else",
  async run(world, args) {
    const member = await world.make(args.word(0, "the node"));
    member.configure({ NORNICDB_WITNESS: "true" });
    await member.start();
    return "started";
  },
};

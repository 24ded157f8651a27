import type { Command } from "../command.js";

export const compacted: Command = {
  usage: "compacted NODE: its log comes to begin later than at its beginning",
  async run(world, args) {
    const id = args.word(0, "the node");
    await world.until("the log is cut", async () => {
      const { body } = await world.ask(id, "GET", "/admin/wal/position");
      return body.first_index > 1;
    });
    return "its beginning is gone";
  },
};

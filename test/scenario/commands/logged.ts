import type { Command } from "../command.js";

export const logged: Command = {
  usage: "logged NODE,… EVENT: one of them comes to log it",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    const event = args.word(1, "the event");
    await world.until(`${event} is logged`, async () =>
      ids.some((id) => world.member(id).lines.some((line) => line.event === event)),
    );
    return "it was";
  },
};

import type { Command } from "../command.js";

export const heal: Command = {
  usage: "heal: every link works again",
  async run(world) {
    world.links.heal();
    return "healed";
  },
};

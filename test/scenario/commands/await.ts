import type { Command } from "../command.js";

export const awaits: Command = {
  usage: "await NODE FIELD=VALUE…: its health comes to say so",
  async run(world, args) {
    const id = args.word(0, "the node");
    const wanted = args.rest();
    await world.until(wanted.map((pair) => pair.join("=")).join(" "), async () => {
      const health = await world.health(id);
      return wanted.every(([field, value]) => String(health[field]) === value);
    });
    return "so it is";
  },
};

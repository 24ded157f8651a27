import type { Command } from "../command.js";

export const awaits: Command = {
  usage: "await NODE [/ROUTE] FIELD=VALUE…: its health, or what the route answers, comes to say so",
  async run(world, args) {
    const id = args.word(0, "the node");
    const route = args.words[1];
    const wanted = args.rest();
    await world.until(wanted.map((pair) => pair.join("=")).join(" "), async () => {
      const seen =
        route === undefined ? await world.health(id) : (await world.ask(id, "GET", route)).body;
      return wanted.every(([field, value]) => String(seen[field]) === value);
    });
    return "so it is";
  },
};

import type { Command } from "../command.js";

export const metric: Command = {
  usage: "metric NODE NAME…: samples of /metrics, by name with labels",
  async run(world, args) {
    const [id = "", ...names] = args.words;
    const { body } = await world.ask(id, "GET", "/metrics");
    const lines = String(body).split("\n");
    return names
      .map((name) => lines.find((line) => line.startsWith(`${name} `)) ?? `${name} is missing`)
      .join(", ");
  },
};

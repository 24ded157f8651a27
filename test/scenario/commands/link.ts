import type { Command } from "../command.js";

export const link: Command = {
  usage: "link latency=MS [jitter=PERCENT]: of every link, each way",
  async run(world, args) {
    const latencyMs = args.number("latency", 0);
    world.links.setDelay({ latencyMs, jitterPercent: args.number("jitter", 0) });
    return "set";
  },
};

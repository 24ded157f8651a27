import type { Command } from "../command.js";

export const link: Command = {
  usage:
    "link latency=MS [jitter=PERCENT] [from=NODE,… to=NODE,…]: of the links between these, or of every link, each way",
  async run(world, args) {
    const latencyMs = args.number("latency", 0);
    const delay = { latencyMs, jitterPercent: args.number("jitter", 0) };
    const [from, to] = [args.text("from")?.split(","), args.text("to")?.split(",")];
    if (from === undefined || to === undefined) world.links.setDelay(delay);
    else world.links.setDelayBetween(from, to, delay);
    return "set";
  },
};

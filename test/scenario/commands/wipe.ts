import { rmSync } from "node:fs";
import type { Command } from "../command.js";

export const wipe: Command = {
  usage: "wipe NODE: all that it has on disk is gone",
  async run(world, args) {
    const member = world.member(args.word(0, "the node"));
    if (member.runs) throw new Error("it runs");
    rmSync(member.folder, { recursive: true });
    return "wiped";
  },
};

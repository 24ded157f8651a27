import { Arguments } from "../arguments.js";
import type { Command } from "../command.js";
import { lead } from "./lead.js";
import { configure } from "./start.js";

export const cluster: Command = {
  usage: "cluster NODE,… [election=D] …: founds a raft cluster of them; the first is to lead it",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    const given = new Arguments(
      `${ids.join(",")} mode=raft founders=${ids.length === 1 ? "alone" : ids.join(",")}`,
    );
    await configure(world, ids, given);
    const members = await configure(world, ids, args);
    args.finish();
    await Promise.all(members.map((member) => member.start()));
    return lead.run(world, new Arguments(ids[0] as string));
  },
};

import { Arguments } from "../arguments.js";
import type { Command } from "../command.js";
import { configure } from "./start.js";

export const pair: Command = {
  usage: "pair NODE,… [witness=NODE] [sync=M] …: the first is the primary, the others its standbys",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    const [primary, ...standbys] = ids;
    const common = `mode=ha_standby pair=${ids.join(",")}`;
    await configure(world, ids, new Arguments(`${ids.join(",")} ${common}`));
    await configure(world, standbys, new Arguments("role=standby"));
    await configure(world, [primary as string], new Arguments("role=primary"));
    const members = await configure(world, ids, args);
    args.finish();
    await Promise.all(members.map((member) => member.start()));
    await world.until(`${primary} is primary, and the standbys are in sync`, async () => {
      const all = await Promise.all(ids.map((id) => world.health(id)));
      return all.every(({ is_leader, in_sync }, at) => (at === 0 ? is_leader : in_sync));
    });
    return `${primary} is primary, the others are in sync`;
  },
};

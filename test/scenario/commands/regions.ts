import { Arguments } from "../arguments.js";
import type { Command } from "../command.js";
import { lead } from "./lead.js";
import { configure, environmentOf, listed } from "./start.js";

export const regions: Command = {
  usage:
    "regions REGION=NODE,… … [strategy=S] [cross=M] [election=D] …: each a cluster that its first node is to lead",
  async run(world, args) {
    const settings = environmentOf(args);
    const all = args.rest().map(([name, nodes]) => ({ name, nodes }));
    for (const { name, nodes } of all) {
      const members = await configure(
        world,
        nodes.split(","),
        new Arguments(`mode=multi_region region=${name} founders=${nodes}`),
      );
      const others = all.filter((other) => other.name !== name);
      const remote = await Promise.all(
        others.map(async (other) => {
          const addresses = (await listed(world, other.nodes)).split(",");
          return addresses.map((at) => at.replace(/^[^:]+/, other.name)).join(",");
        }),
      );
      for (const member of members) {
        member.configure({ ...settings, NORNICDB_CLUSTER_REMOTE_REGIONS: remote.join(",") });
      }
      await Promise.all(members.map((member) => member.start()));
    }
    const leaders = all.map(({ nodes }) => nodes.split(",", 1)[0] as string);
    for (const id of leaders) await lead.run(world, new Arguments(id));
    for (const id of leaders) {
      await world.until(`${id} is in touch with all`, async () => {
        const { regions: seen } = await world.health(id);
        return seen.every(({ state }: { readonly state: string }) => state === "streaming");
      });
    }
    return all.map(({ name }, at) => `${leaders[at]} leads ${name}`).join(", ");
  },
};

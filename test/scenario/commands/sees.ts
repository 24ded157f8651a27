import type { Command } from "../command.js";

export const sees: Command = {
  usage: "sees NODE PEER FIELD=VALUE…: its picture of the peer comes to say so",
  async run(world, args) {
    const id = args.word(0, "the node");
    const peer = args.word(1, "the peer");
    const wanted = args.rest();
    let seen: Readonly<Record<string, unknown>> | undefined;
    await world
      .until(`${id} sees ${peer} ${wanted.join(" ")}`, async () => {
        const { peers } = await world.health(id);
        seen = peers.find((one: { readonly id: string }) => one.id === peer);
        return wanted.every(([field, value]) => String(seen?.[field]) === value);
      })
      .catch((cause: unknown) => {
        throw new Error(`${id} sees ${JSON.stringify(seen)}`, { cause });
      });
    return "so it is";
  },
};

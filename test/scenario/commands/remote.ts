import type { Command } from "../command.js";

export const remote: Command = {
  usage: "remote NODE REGION FIELD=VALUE…: its picture of the other region comes to say so",
  async run(world, args) {
    const id = args.word(0, "the node");
    const name = args.word(1, "the region");
    const wanted = args.rest();
    let seen: Readonly<Record<string, unknown>> | undefined;
    await world
      .until(`${id} sees ${name} ${wanted.join(" ")}`, async () => {
        const { regions } = await world.health(id);
        seen = regions.find((one: { readonly region: string }) => one.region === name);
        return wanted.every(([field, value]) => String(seen?.[field]) === value);
      })
      .catch((cause: unknown) => {
        throw new Error(`${id} sees ${JSON.stringify(seen)}`, { cause });
      });
    return "so it is";
  },
};

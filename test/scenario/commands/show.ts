import type { Command } from "../command.js";

export const show: Command = {
  usage: "show NODE [/ROUTE] FIELD…: fields of its health, or of what the route answers",
  async run(world, args) {
    const id = args.word(0, "the node");
    const route = args.words[1]?.startsWith("/") ? args.words[1] : undefined;
    const fields = args.words.slice(route === undefined ? 1 : 2);
    const body =
      route === undefined ? await world.health(id) : (await world.ask(id, "GET", route)).body;
    const addresses = new Map(world.members().map(({ id: of, address }) => [address, of]));
    return fields
      .map((field) => {
        const value: unknown = field
          .split(".")
          .reduce((at: unknown, part) => (at as Record<string, unknown> | null)?.[part], body);
        const of = typeof value === "string" ? addresses.get(value) : undefined;
        return `${field}=${of === undefined ? JSON.stringify(value) : `(address of ${of})`}`;
      })
      .join(" ");
  },
};

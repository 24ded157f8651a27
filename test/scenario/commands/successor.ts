import type { Command } from "../command.js";

export const successor: Command = {
  usage: "successor NODE,…: exactly one of them comes to lead, in a later term than the mark's",
  async run(world, args) {
    const ids = args.list(0, "the nodes");
    await world.until("there is a successor", async () => {
      const all = await Promise.all(ids.map((id) => world.health(id)));
      const leaders = all.filter(({ is_leader }) => is_leader);
      const term = leaders[0]?.term;
      return (
        leaders.length === 1 && term > world.mark.term && all.every((one) => one.term === term)
      );
    });
    return "one leads, in a later term";
  },
};

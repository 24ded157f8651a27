import type { Command } from "../command.js";

export const lead: Command = {
  usage: "lead NODE: leadership is handed to it, unless it has it",
  async run(world, args) {
    const id = args.word(0, "the node");
    await world.until(`${id} leads`, async () => {
      const { is_leader, leader_id } = await world.health(id);
      if (is_leader) return (await world.ask(id, "GET", "/leader")).status === 200;
      if (leader_id === null) return false;
      await world.ask(id, "POST", "/admin/cluster/transfer-leadership", { target: id });
      return false;
    });
    return `${id} leads`;
  },
};

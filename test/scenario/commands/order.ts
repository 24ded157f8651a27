import type { Command } from "../command.js";
import type { World } from "../world.js";

export const order: Command = {
  usage:
    "order NODE add|remove|transfer|switch-over MEMBER, or order NODE step-down|promote-region, or order NODE promote [force]",
  async run(world, args) {
    const { status, body } = await world.until("no other change is under way", async () => {
      const answer = await send(world, args.words);
      return /change .* is under way/.test(answer.body?.detail ?? "") ? undefined : answer;
    });
    return status === 200 ? "done" : `refused ${status} ${body.code}`;
  },
};

async function send(world: World, [at = "", action = "", member = ""]: readonly string[]) {
  switch (action) {
    case "add": {
      const { address } = world.member(member);
      return world.ask(at, "POST", "/admin/cluster/add", { node_id: member, address });
    }
    case "remove":
      return world.ask(at, "POST", "/admin/cluster/remove", { node_id: member });
    case "transfer":
      return world.ask(at, "POST", "/admin/cluster/transfer-leadership", { target: member });
    case "switch-over":
      return world.ask(at, "POST", "/admin/switchover", { target: member });
    case "promote":
      return world.ask(at, "POST", "/admin/promote", { force: member === "force" });
    case "promote-region":
      return world.ask(at, "POST", "/admin/region/promote", {});
    case "step-down":
      return world.ask(at, "POST", "/admin/raft/step-down");
    default:
      throw new Error(`there is no order "${action}"`);
  }
}

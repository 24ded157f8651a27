import type { Command } from "../command.js";

export const http: Command = {
  usage: "http NODE GET|PUT|POST ROUTE: the status, the code of a refusal, whose place it names",
  async run(world, args) {
    const id = args.word(0, "the node");
    const method = args.word(1, "the method") as "GET" | "PUT" | "POST";
    const route = args.word(2, "the route");
    const { status, location, body } = await world.ask(
      id,
      method,
      route,
      method === "GET" ? undefined : {},
    );
    const at = world.members().find((member) => member.runs && location?.startsWith(member.url));
    const code = body?.code === undefined ? [] : [body.code, body.outcome];
    const leader = body?.leader?.id === undefined ? [] : [`leader ${body.leader.id}`];
    return [status, ...code, ...leader, ...(at === undefined ? [] : [`to ${at.id}`])].join(" ");
  },
};

import type { Command } from "../command.js";
import { listConflicts } from "./conflicts.js";

export const resolve: Command = {
  usage: "resolve NODE KEY [keep=REGION] [value=TEXT]: its conflict, by a side or something else",
  async run(world, args) {
    const id = args.word(0, "the node");
    const key = args.word(1, "the key");
    const [keep, value] = [args.text("keep"), args.text("value")];
    const conflict = (await listConflicts(world, id)).find((one) => one.key === key);
    if (conflict === undefined) throw new Error(`${id} lists no conflict of ${key}`);
    const loser = conflict.losers.find(({ origin }) => origin === keep);
    const choice =
      value !== undefined
        ? { value }
        : loser === undefined
          ? { keep: "winner" }
          : { keep: "loser", origin: loser.origin, seq: loser.seq };
    const route = `/admin/conflicts/${encodeURIComponent(conflict.id)}/resolve`;
    const { status, body } = await world.ask(id, "POST", route, choice);
    return status === 200 ? "done" : `refused ${status} ${body.code}`;
  },
};

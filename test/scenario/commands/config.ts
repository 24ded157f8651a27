import { ConfigError, loadConfig } from "../../../pkg/config/index.js";
import type { Command } from "../command.js";

export const config: Command = {
  usage: "config NAME=VALUE…: what the configuration says to these variables, without NORNICDB_",
  async run(_world, args) {
    const given = args.rest().map(([name, value]) => [`NORNICDB_${name}`, value]);
    try {
      loadConfig({ env: Object.fromEntries(given) });
      return "accepted";
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const said = error.problems.map(({ setting, sentence }) => `${setting} ${sentence}`);
      return `refused: ${said.join(" / ")}`;
    }
  },
};

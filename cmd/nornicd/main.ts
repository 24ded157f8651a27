#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { ConfigError, renderConfig, renderProblems } from "../../pkg/config/index.js";
import { limitGarbage } from "../../pkg/runtime/node/index.js";
import { EXIT } from "../exit-codes.js";
import { configFromCommand } from "./read-config.js";
import { serve } from "./serve.js";

/** Options of the server; the rest of the settings come from the environment and the file. */
function buildProgram(): Command {
  const program = new Command("nornicd")
    .description("The graph store's server.")
    .option("--config <file>", "YAML file with settings (NORNICDB_CONFIG)")
    .option("--mode <mode>", "standalone, ha_standby or raft (NORNICDB_CLUSTER_MODE)")
    .option("--node-id <id>", "name of this node (NORNICDB_CLUSTER_NODE_ID)")
    .option("--data-dir <folder>", "where everything is kept (NORNICDB_DATA_DIR)")
    .option("--witness", "hold the leases of standby pairs, and nothing else (NORNICDB_WITNESS)")
    .exitOverride()
    .action(async (_options, command: Command) => {
      process.exitCode = await serve(configFromCommand(command));
    });
  const config = program.command("config").description("What the server is told.");
  config
    .command("show")
    .description("prints the effective settings as YAML")
    .option("--origin", "with where each value comes from")
    .action((options: { origin?: boolean }, command: Command) => {
      const text = renderConfig(configFromCommand(command), { origins: options.origin === true });
      process.stdout.write(text);
    });
  config
    .command("check")
    .description("checks the settings and says all that is wrong")
    .action((_options, command: Command) => {
      const { warnings } = configFromCommand(command);
      if (warnings.length > 0) process.stderr.write(`${renderProblems(warnings)}\n`);
      process.stdout.write("configuration ok\n");
    });
  return program;
}

limitGarbage();
try {
  await buildProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else if (error instanceof ConfigError) {
    process.stderr.write(`${renderProblems(error.problems)}\n`);
    process.exitCode = EXIT.configuration;
  } else {
    throw error;
  }
}

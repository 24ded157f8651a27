import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Command } from "commander";
import { ConfigError, type LoadedConfig, loadConfig } from "../../pkg/config/index.js";

interface Flags {
  readonly config?: string;
  readonly mode?: string;
  readonly nodeId?: string;
  readonly dataDir?: string;
}

/** @throws ConfigError with everything that is wrong, also when the file cannot be read */
export function configFromCommand(command: Command): LoadedConfig {
  const flags = command.optsWithGlobals<Flags>();
  const path = flags.config ?? process.env.NORNICDB_CONFIG;
  const interfaces = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && !scopeid)
    .map(({ address }) => address);
  return loadConfig({
    env: process.env,
    flags: { mode: flags.mode, "node-id": flags.nodeId, "data-dir": flags.dataDir },
    ...(path === undefined ? {} : { file: { path, text: readText(path) } }),
    interfaces,
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const sentence = `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError([
      { setting: "--config", given: path, allowed: "a readable file", nearest: null, sentence },
    ]);
  }
}

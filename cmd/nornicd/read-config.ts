import type { Command } from "commander";
import type { LoadedConfig } from "../../pkg/config/index.js";
import { loadSettings } from "../load-settings.js";

interface Flags {
  readonly config?: string;
  readonly mode?: string;
  readonly nodeId?: string;
  readonly dataDir?: string;
  readonly witness?: true;
}

/** @throws ConfigError with everything that is wrong */
export function configFromCommand(command: Command): LoadedConfig {
  const { config, mode, nodeId, dataDir, witness } = command.optsWithGlobals<Flags>();
  const flags = { mode, "node-id": nodeId, "data-dir": dataDir, witness: witness && "true" };
  return loadSettings({ env: process.env, flags, file: config });
}

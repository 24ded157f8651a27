import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { ConfigError, type LoadedConfig, loadConfig } from "../../pkg/config/index.js";
import type { DataFolders } from "../../pkg/wiring/index.js";
import { causeText } from "./failure.js";
import type { Io } from "./io.js";

export interface SettingsOptions {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
}

/**
 * The settings that nornicd would start with here.
 * @throws ConfigError with everything that is wrong, also when the file cannot be read
 */
export function loadSettings(options: SettingsOptions, io: Io): LoadedConfig {
  const path = options.config ?? io.env.NORNICDB_CONFIG;
  const interfaces = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && !scopeid)
    .map(({ address }) => address);
  return loadConfig({
    env: io.env,
    flags: { "data-dir": options.dataDir },
    ...(path === undefined ? {} : { file: { path, text: readText(path) } }),
    interfaces,
  });
}

/** Where a node with these settings keeps its data. */
export function foldersOf({ config }: LoadedConfig): DataFolders {
  return { dataDir: config.dataDir, replicationDir: config.cluster.dataDir };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const sentence = `${path} cannot be read: ${causeText(error)}`;
    throw new ConfigError([
      { setting: "--config", given: path, allowed: "a readable file", nearest: null, sentence },
    ]);
  }
}

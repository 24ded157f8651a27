import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { ConfigError, type LoadedConfig, loadConfig } from "../pkg/config/index.js";

export interface SettingsSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By flag name without dashes: `mode`, `node-id`, `data-dir`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  /** `--config`; without it `NORNICDB_CONFIG` names the file. */
  readonly file?: string | undefined;
}

/**
 * The settings that a server would start with here.
 * @throws ConfigError with everything that is wrong, also when the file cannot be read
 */
export function loadSettings({ env, flags, file }: SettingsSources): LoadedConfig {
  const path = file ?? env.NORNICDB_CONFIG;
  const interfaces = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && !scopeid)
    .map(({ address }) => address);
  return loadConfig({
    env,
    flags,
    ...(path === undefined ? {} : { file: { path, text: readText(path) } }),
    interfaces,
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const sentence = `${path} cannot be read: ${cause}`;
    throw new ConfigError([
      { setting: "--config", given: path, allowed: "a readable file", nearest: null, sentence },
    ]);
  }
}

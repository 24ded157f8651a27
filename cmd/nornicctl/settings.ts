import type { LoadedConfig } from "../../pkg/config/index.js";
import type { DataFolders } from "../../pkg/wiring/index.js";
import { loadSettings } from "../load-settings.js";
import type { Io } from "./io.js";

export interface SettingsOptions {
  readonly config?: string | undefined;
  readonly dataDir?: string | undefined;
}

/** @throws ConfigError with everything that is wrong */
export function settingsFrom({ config, dataDir }: SettingsOptions, io: Io): LoadedConfig {
  return loadSettings({ env: io.env, flags: { "data-dir": dataDir }, file: config });
}

/** Where a node with these settings keeps its data. */
export function foldersOf({ config }: LoadedConfig): DataFolders {
  return { dataDir: config.dataDir, replicationDir: config.cluster.dataDir };
}

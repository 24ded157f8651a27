import { renderConfig, renderProblems } from "../../pkg/config/index.js";
import { EXIT } from "../exit-codes.js";
import type { Answer } from "./answer.js";
import type { Io } from "./io.js";
import { type SettingsOptions, settingsFrom } from "./settings.js";

/** The settings in force, as nornicd would have them; no secrets. */
export function configShow(options: SettingsOptions & { origin?: boolean }, io: Io): Answer {
  const loaded = settingsFrom(options, io);
  const origins = Object.fromEntries(loaded.origins);
  return {
    exit: EXIT.ok,
    json: { config: loaded.config, ...(options.origin ? { origins } : {}) },
    text: renderConfig(loaded, { origins: options.origin === true }),
  };
}

/** @throws ConfigError with everything that is wrong */
export function configCheck(options: SettingsOptions, io: Io): Answer {
  const { warnings } = settingsFrom(options, io);
  const notes = warnings.length === 0 ? "" : `${renderProblems(warnings)}\n`;
  return {
    exit: EXIT.ok,
    json: { ok: true, warnings },
    text: `${notes}configuration ok\n`,
  };
}

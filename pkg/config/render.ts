import { stringify } from "yaml";
import { MODES } from "../replication/replicator.js";
import { formatHostPort } from "./address.js";
import { defaultReadLevel } from "./config.js";
import type { LoadedConfig } from "./load.js";
import { environmentName, SETTING_NAMES, type SettingName, settingOf } from "./settings.js";

/** The values in force as YAML, without secrets; with `origins`, where each came from. */
export function renderConfig(loaded: LoadedConfig, options: { readonly origins: boolean }): string {
  const lines: string[] = [];
  let open: readonly string[] = [];
  for (const name of SETTING_NAMES) {
    const path = name.split(".");
    const sections = path.slice(0, -1);
    sections.forEach((section, depth) => {
      const known =
        open[depth] === section && sections.slice(0, depth).every((s, i) => open[i] === s);
      if (!known) lines.push(`${"  ".repeat(depth)}${section}:`);
    });
    open = sections;
    const origin = loaded.origins.get(name)!;
    const comment = options.origins ? ` # ${origin.source}${detailOf(origin)}` : "";
    const shown = shownValue(loaded, name);
    if (shown === null) {
      lines.push(`${"  ".repeat(sections.length)}# ${path.at(-1)}:${comment}`);
      continue;
    }
    const value = scalar(shown);
    lines.push(`${"  ".repeat(sections.length)}${path.at(-1)}: ${value}${comment}`);
  }
  return `${lines.join("\n")}\n`;
}

function detailOf(origin: { readonly source: string; readonly detail: string }): string {
  return origin.source === "default" ? "" : `: ${origin.detail}`;
}

function scalar(value: string): string {
  return stringify(value, { lineWidth: 0, schema: "core" }).trimEnd().replaceAll("\n", " ");
}

/** A setting's value in force as text; `(set)` for a secret; null when it has none. */
export function shownValue(loaded: LoadedConfig, name: SettingName): string | null {
  if (name === "cluster.data_dir") return loaded.config.cluster.dataDir;
  if (name === "cluster.advertise_addr") return formatHostPort(loaded.config.cluster.advertise);
  if (name === "cluster.read_consistency") return loaded.config.cluster.readConsistency;
  const value: unknown = loaded.values[name];
  return value === null ? null : settingOf(name).kind.format(value);
}

/** The table of all settings, in Markdown. */
export function renderReference(): string {
  const rows = SETTING_NAMES.map((name) => {
    const setting = settingOf(name);
    const shown = setting.defaultNote ?? (setting.default === "" ? "(none)" : setting.default);
    const flag = setting.flag ? `<br>\`--${setting.flag}\`` : "";
    const modes = setting.modes ? ` *(${setting.modes.join(", ")})*` : "";
    const cell = [
      `\`${environmentName(name)}\`${flag}`,
      `\`${name}\``,
      shown === null ? "(none)" : `\`${shown}\``,
      setting.kind.allowed.replaceAll("|", "\\|"),
      `${setting.doc}${modes}${setting.secret ? " Secret." : ""}`,
    ];
    return `| ${cell.join(" | ")} |`;
  });
  const head = ["| variable | YAML | default | allowed | what it does |", "|---|---|---|---|---|"];
  return [...head, ...rows].join("\n");
}

type Schema = { [key: string]: unknown; properties?: Record<string, Schema> };

/** JSON schema (2020-12) of the YAML file. */
export function renderSchema(): Schema {
  const root: Schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of a nornic-replication node",
    type: "object",
    additionalProperties: false,
    properties: { $schema: { type: "string" } },
  };
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    const path = name.split(".");
    let at = root;
    for (const section of path.slice(0, -1)) {
      at.properties ??= {};
      at.properties[section] ??= { type: "object", additionalProperties: false, properties: {} };
      at = at.properties[section];
    }
    at.properties![path.at(-1)!] = {
      description: setting.doc,
      ...setting.kind.schema,
      ...(setting.default ? { default: setting.default } : {}),
    };
  }
  return root;
}

/** What a read waits for by default, mode by mode; for the documentation. */
export function readLevelDefaults(): string {
  return MODES.map((mode) => `\`${mode}\` ${defaultReadLevel(mode)}`).join(", ");
}

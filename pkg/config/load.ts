import envVar from "env-var";
import { buildConfig, type Config } from "./config.js";
import { isMisspelling, nearestName } from "./nearest.js";
import { ConfigError, type Problem } from "./problem.js";
import { readYaml } from "./read-yaml.js";
import { advertisedAddress, checkRules } from "./rules.js";
import {
  environmentName,
  SETTING_NAMES,
  type SettingName,
  settingOf,
  type Values,
} from "./settings.js";

export type OptionValue = string | number | boolean | readonly string[];

export interface LoadOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By flag name without dashes: `mode`, `node-id`, `data-dir`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** The YAML file's text, and the path it is called by. */
  readonly file?: { readonly text: string; readonly path: string };
  /** By setting name: `{ "cluster.mode": "raft" }`. */
  readonly overrides?: { readonly [Name in SettingName]?: OptionValue };
  /** Addresses of this machine that others reach; one alone replaces a wildcard to advertise. */
  readonly interfaces?: readonly string[];
}

export interface Origin {
  readonly source: "option" | "flag" | "environment" | "file" | "default";
  /** The variable, flag or place in the file. */
  readonly detail: string;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly values: Values;
  readonly origins: ReadonlyMap<SettingName, Origin>;
  readonly warnings: readonly Problem[];
}

/** Variables with our prefix that are no settings of a node. */
const OTHER_VARIABLES = ["NORNICDB_CONFIG", "NORNICDB_ENDPOINT", "NORNICDB_TOKEN"];
/** What Kubernetes sets for a service called nornicdb or nornicdb-cluster. */
const SERVICE_LINK = /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP)(_\w+)?$/;

interface GivenText {
  readonly text: string;
  readonly origin: Origin;
}

interface Sources {
  readonly given: Map<SettingName, GivenText>;
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/**
 * Reads all sources; an option wins over a flag, a flag over the environment, that over the file,
 * the file over the default.
 * @throws ConfigError with every problem there is
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const sources: Sources = { given: new Map(), problems: [], warnings: [] };
  gatherFile(options, sources);
  gatherEnvironment(options, sources);
  gatherFlags(options, sources);
  gatherOverrides(options, sources);
  const { values, origins, broken } = parseAll(sources);
  const spelling = (setting: SettingName) => environmentName(setting);
  const place = (setting: SettingName) => {
    const origin = origins.get(setting)!;
    return origin.source === "default" ? environmentName(setting) : origin.detail;
  };
  for (const breach of checkRules(values, spelling)) {
    if (broken.has(breach.setting)) continue;
    const problem = about(breach.setting, place(breach.setting), sources, breach.sentence);
    (breach.warning ? sources.warnings : sources.problems).push(problem);
  }
  const advertise = advertisedAddress(values, options.interfaces ?? []);
  if (!advertise && values["cluster.mode"] !== "standalone") {
    const sentence = "names no machine that peers could dial; give host:port of this node";
    sources.problems.push(
      about("cluster.advertise_addr", environmentName("cluster.advertise_addr"), sources, sentence),
    );
  }
  if (sources.problems.length > 0) throw new ConfigError(sources.problems);
  const logDir =
    origins.get("cluster.data_dir")!.source === "default"
      ? `${values.data_dir.replace(/\/+$/, "")}/replication`
      : values["cluster.data_dir"];
  const config = buildConfig(values, {
    advertise: advertise ?? values["cluster.bind_addr"],
    logDir,
  });
  return { config, values, origins, warnings: sources.warnings };
}

function about(setting: SettingName, spelt: string, sources: Sources, sentence: string): Problem {
  const given = sources.given.get(setting)?.text ?? null;
  const allowed = settingOf(setting).kind.allowed;
  return { setting: spelt, given: redact(setting, given), allowed, nearest: null, sentence };
}

function redact(setting: SettingName, given: string | null): string | null {
  return given !== null && settingOf(setting).secret ? "(redacted)" : given;
}

function unknown(setting: string, known: readonly string[], what: string): Problem {
  const nearest = nearestName(setting, known);
  const sentence = `is not a known ${what}; did you mean ${nearest}?`;
  return { setting, given: null, allowed: null, nearest, sentence };
}

function isSettingName(text: string): text is SettingName {
  return (SETTING_NAMES as readonly string[]).includes(text);
}

function gatherFile(options: LoadOptions, { given, problems }: Sources): void {
  if (!options.file) return;
  const { text, path: file } = options.file;
  const { values, faults } = readYaml(text);
  for (const { path, sentence } of faults) {
    problems.push({
      setting: `${file}: ${path}`,
      given: null,
      allowed: null,
      nearest: null,
      sentence,
    });
  }
  for (const value of values) {
    if (value.path === "$schema") continue;
    const detail = `${file}:${value.line} ${value.path}`;
    if (isSettingName(value.path)) {
      given.set(value.path, { text: value.text, origin: { source: "file", detail } });
    } else {
      const problem = unknown(value.path, SETTING_NAMES, "setting");
      problems.push({ ...problem, setting: detail });
    }
  }
}

function gatherEnvironment(options: LoadOptions, { given, problems, warnings }: Sources): void {
  const names = new Map(SETTING_NAMES.map((setting) => [environmentName(setting), setting]));
  const known = [...names.keys(), ...OTHER_VARIABLES];
  for (const [variable, text] of Object.entries(options.env ?? {})) {
    if (text === undefined || !variable.toUpperCase().startsWith("NORNICDB_")) continue;
    const setting = names.get(variable);
    if (setting) {
      given.set(setting, { text, origin: { source: "environment", detail: variable } });
    } else if (!OTHER_VARIABLES.includes(variable) && !isServiceLink(variable, text)) {
      const problem = unknown(variable, known, "variable");
      const ours = variable.toUpperCase().startsWith("NORNICDB_CLUSTER_");
      const refused = ours || isMisspelling(variable.toUpperCase(), problem.nearest!);
      (refused ? problems : warnings).push(problem);
    }
  }
}

function isServiceLink(variable: string, text: string): boolean {
  return SERVICE_LINK.test(variable) || (/_PORT$/.test(variable) && /^(tcp|udp):/.test(text));
}

function gatherFlags(options: LoadOptions, { given, problems }: Sources): void {
  const names = new Map<string, SettingName>();
  for (const setting of SETTING_NAMES) {
    const { flag } = settingOf(setting);
    if (flag) names.set(flag, setting);
  }
  for (const [flag, text] of Object.entries(options.flags ?? {})) {
    if (text === undefined) continue;
    const detail = `--${flag}`;
    const setting = names.get(flag);
    if (setting) given.set(setting, { text, origin: { source: "flag", detail } });
    else problems.push({ ...unknown(flag, [...names.keys()], "flag"), setting: detail });
  }
}

function gatherOverrides(options: LoadOptions, { given, problems }: Sources): void {
  for (const [key, value] of Object.entries(options.overrides ?? {})) {
    if (value === undefined) continue;
    const origin = { source: "option", detail: key } as const;
    const text = Array.isArray(value) ? value.join(",") : String(value);
    if (isSettingName(key)) given.set(key, { text, origin });
    else problems.push(unknown(key, SETTING_NAMES, "setting"));
  }
}

interface Parsed {
  readonly values: Values;
  readonly origins: Map<SettingName, Origin>;
  readonly broken: ReadonlySet<SettingName>;
}

/** A broken value is replaced by its default, so that the rules can still be checked. */
function parseAll({ given, problems }: Sources): Parsed {
  const texts: Record<string, string> = {};
  for (const [setting, { text }] of given) texts[setting] = text;
  const reader = envVar.from(texts, { asSetting: parseText });
  const values: Record<string, unknown> = {};
  const origins = new Map<SettingName, Origin>();
  const broken = new Set<SettingName>();
  for (const name of SETTING_NAMES) {
    const setting = settingOf(name);
    const source = given.get(name);
    origins.set(name, source?.origin ?? { source: "default", detail: "default" });
    values[name] = setting.default === null ? null : parseText(setting.default, name);
    if (!source) continue;
    try {
      values[name] = reader.get(name).asSetting(name);
    } catch {
      broken.add(name);
      problems.push(badValue(name, source));
    }
  }
  return { values: values as unknown as Values, origins, broken };
}

function parseText(text: string, name: SettingName): unknown {
  const { kind } = settingOf(name);
  if (text.trim() === "" && !kind.emptyAllowed) throw new RangeError("is empty");
  const value = kind.parse(text.trim());
  if (value === undefined) throw new RangeError(`must be ${kind.allowed}`);
  return value;
}

function badValue(name: SettingName, source: GivenText): Problem {
  const { kind } = settingOf(name);
  const { allowed } = kind;
  const given = redact(name, source.text);
  const shown = given === null || given.length <= 80 ? given : `${given.slice(0, 80)}…`;
  const words = /^one of (.+)$/.exec(allowed)?.[1]?.split(", ");
  const nearest = words && source.text !== "" ? nearestName(source.text, words) : null;
  const meant = nearest && isMisspelling(source.text, nearest) ? `; did you mean ${nearest}?` : "";
  const sentence =
    source.text.trim() === ""
      ? `is empty; take it away or give ${allowed}`
      : `must be ${allowed}, not ${JSON.stringify(shown)}${meant}`;
  return { setting: source.origin.detail, given: shown, allowed, nearest, sentence };
}

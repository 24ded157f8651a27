import { parseNodeId } from "../base/index.js";
import { formatHostPort, type HostPort, type PeerAddress, parseHostPort } from "./address.js";
import { Secret } from "./secret.js";

/** How one kind of value is written, read and described. */
export interface Kind<T> {
  readonly name: string;
  /** Completes "must be …". */
  readonly allowed: string;
  /** What the value may look like in YAML, as JSON schema. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** @returns undefined when the text is not of this kind */
  parse(text: string): T | undefined;
  format(value: T): string;
  /** An empty text is a value (an empty list). */
  readonly emptyAllowed?: boolean;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;
const BARE = /^\d+(?:\.\d+)?$/;

/** @returns milliseconds of a duration as Go writes it, or of a bare number in `bare` */
export function parseDurationMs(text: string, bare?: "ms" | "s"): number | undefined {
  if (bare && BARE.test(text)) return Number(text) * UNITS_MS[bare]!;
  if (!DURATION.test(text)) return undefined;
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(DURATION_PART)) {
    sum += Number(digits) * UNITS_MS[unit!]!;
  }
  return sum;
}

/** Milliseconds in the largest unit that divides them. */
export function formatDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  if (ms >= 1_000 && ms % 100 === 0) return `${ms / 1_000}s`;
  return `${ms}ms`;
}

export interface DurationOptions {
  readonly minMs: number;
  readonly maxMs: number;
  readonly bare?: "ms" | "s";
}

/** Values are milliseconds. */
export function duration(options: DurationOptions): Kind<number> {
  const { minMs, maxMs, bare } = options;
  const unit = bare === "ms" ? " or milliseconds" : bare === "s" ? " or seconds" : "";
  return {
    name: "duration",
    allowed: `a duration (like 250ms, 1.5s, 2m, 1h30m)${unit} from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`,
    schema: bare
      ? { type: ["string", "number"] }
      : { type: "string", pattern: "^([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$" },
    parse(text) {
      const ms = parseDurationMs(text, bare);
      return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
    },
    format: formatDuration,
  };
}

export function count(min: number, max: number): Kind<number> {
  return {
    name: "number",
    allowed: `a whole number from ${min} to ${max}`,
    schema: { type: "integer", minimum: min, maximum: max },
    parse(text) {
      if (!/^\d{1,16}$/.test(text)) return undefined;
      const value = Number(text);
      return value >= min && value <= max ? value : undefined;
    },
    format: String,
  };
}

const TRUE = ["true", "1", "yes", "on"];
const FALSE = ["false", "0", "no", "off"];

export const bool: Kind<boolean> = {
  name: "boolean",
  allowed: "true, false, 1, 0, yes, no, on or off",
  schema: { anyOf: [{ type: "boolean" }, { enum: [...TRUE, ...FALSE, 0, 1] }] },
  parse(text) {
    const lower = text.toLowerCase();
    return TRUE.includes(lower) ? true : FALSE.includes(lower) ? false : undefined;
  },
  format: String,
};

/** One of a few words, in any case; the canonical spelling is what comes out. */
export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  return {
    name: "choice",
    allowed: `one of ${values.join(", ")}`,
    schema: { enum: values },
    parse: (text) => values.find((value) => value.toLowerCase() === text.toLowerCase()),
    format: String,
  };
}

export const text: Kind<string> = {
  name: "text",
  allowed: "text of 1 to 4096 characters without control characters",
  schema: { type: "string", minLength: 1, maxLength: 4096 },
  parse: (given) => (/^\P{Cc}{1,4096}$/u.test(given) ? given : undefined),
  format: String,
};

export const name: Kind<string> = {
  name: "name",
  allowed: "1 to 128 letters, digits, dots, dashes or underscores",
  schema: { type: "string", pattern: "^[A-Za-z0-9._-]{1,128}$" },
  parse: (given) => parseNodeId(given),
  format: String,
};

/** `port 0` asks the system for a free one. */
export const listenAddress: Kind<HostPort> = {
  name: "address",
  allowed: "host:port (IPv6 in brackets, port 0 to 65535)",
  schema: { type: "string" },
  parse: (given) => parseHostPort(given, 0),
  format: formatHostPort,
};

export const remoteAddress: Kind<HostPort> = {
  name: "address",
  allowed: "host:port (IPv6 in brackets, port 1 to 65535)",
  schema: { type: "string" },
  parse: (given) => parseHostPort(given, 1),
  format: formatHostPort,
};

const LIST_ITEMS_MAX = 64;

/** Items separated by commas, or a YAML list. */
export function list<T>(item: Kind<T>): Kind<readonly T[]> {
  return {
    name: `list of ${item.name}`,
    allowed: `up to ${LIST_ITEMS_MAX} of these, separated by commas: ${item.allowed}`,
    schema: { anyOf: [{ type: "string" }, { type: "array", items: item.schema }] },
    emptyAllowed: true,
    parse(given) {
      if (given.trim() === "") return [];
      const items = given.split(",").map((part) => item.parse(part.trim()));
      if (items.length > LIST_ITEMS_MAX || items.includes(undefined)) return undefined;
      return items as T[];
    },
    format: (value) => value.map((each) => item.format(each)).join(","),
  };
}

export const peer: Kind<PeerAddress> = {
  name: "peer",
  allowed: "id:host:port (IPv6 in brackets)",
  schema: { type: "string" },
  parse(given) {
    const colon = given.indexOf(":");
    const id = parseNodeId(given.slice(0, Math.max(colon, 0)));
    const address = parseHostPort(given.slice(colon + 1), 1);
    return id && address ? { id, ...address } : undefined;
  },
  format: (value) => `${value.id}:${formatHostPort(value)}`,
};

export const secret: Kind<Secret> = {
  name: "secret",
  allowed: "text of 1 to 4096 characters",
  schema: { type: "string", minLength: 1, maxLength: 4096 },
  parse: (given) => (given.length <= 4096 ? new Secret(given) : undefined),
  format: String,
};

export type Auth =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly user: string; readonly password: Secret };

export const auth: Kind<Auth> = {
  name: "credentials",
  allowed: "none, or user:password",
  schema: { type: "string" },
  parse(given) {
    if (given.toLowerCase() === "none") return { kind: "none" };
    const colon = given.indexOf(":");
    if (colon < 1 || colon === given.length - 1) return undefined;
    const password = new Secret(given.slice(colon + 1));
    return { kind: "password", user: given.slice(0, colon), password };
  },
  format: (value) => (value.kind === "none" ? "none" : "(set)"),
};

/** What `sync` does without a standby. */
export type SyncFallback =
  | { readonly kind: "refuse" }
  | { readonly kind: "async"; readonly afterMs: number };

const FALLBACK_AFTER_MS_MAX = 86_400_000;

export const syncFallback: Kind<SyncFallback> = {
  name: "fallback",
  allowed: "refuse, or async:DURATION (like async:30s, up to 24h)",
  schema: { type: "string", pattern: "^(refuse|async:.+)$" },
  parse(given) {
    if (given === "refuse") return { kind: "refuse" };
    const afterMs = given.startsWith("async:") ? parseDurationMs(given.slice(6)) : undefined;
    if (afterMs === undefined || afterMs > FALLBACK_AFTER_MS_MAX) return undefined;
    return { kind: "async", afterMs };
  },
  format: (value) =>
    value.kind === "refuse" ? "refuse" : `async:${formatDuration(value.afterMs)}`,
};

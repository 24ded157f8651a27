import { distance } from "fastest-levenshtein";
import {
  type PropertyValue,
  parseDurationMs,
  READ_LEVELS,
  type ReadLevel,
  ReplicationError,
} from "../../service/index.js";

/** The query of one request; the keys were checked against what the route knows. */
export type Query = Readonly<Record<string, string | readonly string[]>>;

/**
 * @param known - the parameters of the route; one that ends in a dot stands for all with that start
 * @throws ReplicationError `INVALID`, naming the unknown parameter and the nearest known one
 */
export function checkQuery(query: Query, known: readonly string[]): void {
  for (const key in query) {
    if (known.includes(key)) continue;
    if (known.some((name) => name.endsWith(".") && key.startsWith(name) && key !== name)) continue;
    throw unknownParameter(key, known);
  }
}

function unknownParameter(key: string, known: readonly string[]): ReplicationError {
  const nearest = known.toSorted((a, b) => distance(key, a) - distance(key, b))[0];
  return new ReplicationError("INVALID", `${key.slice(0, 64)}: no such query parameter here`, {
    field: key.slice(0, 64),
    hint: nearest === undefined ? "this request takes none" : `did you mean ${nearest}?`,
  });
}

/** @throws ReplicationError `INVALID` when the parameter stands there twice */
export function text(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === "string") return value;
  throw invalid(name, "it may stand there once");
}

export function whole(
  query: Query,
  name: string,
  range: { readonly min: number; readonly max: number },
): number | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= range.min && number <= range.max) return number;
  throw invalid(name, `a whole number from ${range.min} to ${range.max} is needed`);
}

/** `?flag` and `?flag=true` are true. */
export function flag(query: Query, name: string): boolean | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  if (value === "" || value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw invalid(name, "true or false is needed");
}

export function oneOf<T extends string>(
  query: Query,
  name: string,
  allowed: readonly T[],
): T | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw invalid(name, `one of ${allowed.join(", ")} is needed`);
}

export function timeout(query: Query, maxMs: number): number | undefined {
  const value = text(query, "timeout");
  return value === undefined ? undefined : parseDurationMs(value, { field: "timeout", maxMs });
}

/** Levels may be written in small letters. */
export function consistency(query: Query): ReadLevel | undefined {
  const value = text(query, "consistency");
  if (value === undefined) return undefined;
  return oneOf({ consistency: value.toUpperCase() }, "consistency", READ_LEVELS);
}

/**
 * The conditions `where.KEY=VALUE`. A value that is a JSON scalar (`1`, `true`, `null`, `"1"`) is
 * that scalar, anything else is the string as it stands; a key given twice must equal both.
 */
export function conditions(
  query: Query,
  max: number,
): readonly { readonly property: string; readonly value: PropertyValue }[] {
  const found: { property: string; value: PropertyValue }[] = [];
  for (const key in query) {
    if (!key.startsWith("where.")) continue;
    const given = query[key]!;
    for (const value of typeof given === "string" ? [given] : given) {
      found.push({ property: key.slice("where.".length), value: toScalar(value) });
    }
  }
  if (found.length > max) throw invalid("where", `at most ${max} conditions are accepted`);
  return found;
}

function toScalar(value: string): PropertyValue {
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed !== "object" || parsed === null) return parsed as PropertyValue;
  } catch {
    return value;
  }
  return value;
}

export function invalid(field: string, what: string): ReplicationError {
  return new ReplicationError("INVALID", `${field}: ${what}`, { field });
}

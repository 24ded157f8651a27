import type { JsonObject, JsonValue, RegionId } from "../../base/index.js";
import { disagrees, faceOf, type Register, type Version } from "./register.js";
import type { RegionRules } from "./rules.js";
import type { Thing } from "./thing.js";

/** One side of a conflict as a resolver sees it; the earliest comes first. */
export interface ResolverVersion {
  readonly value: JsonValue | null;
  readonly origin: RegionId;
  readonly clock: { readonly ms: number; readonly counter: number };
}

/**
 * Makes one value of several that regions wrote without knowing of each other. Every node of every
 * region calls it for itself, so it must give the same for the same arguments: no clock, no
 * randomness, nothing from outside. If it throws, the latest version counts.
 */
export type Resolver = (place: {
  readonly key: string;
  readonly property: string;
  readonly versions: readonly ResolverVersion[];
}) => JsonValue;

/**
 * Which version of a place counts when regions wrote it without knowing of each other. With
 * `manual` the latest counts until somebody resolves the conflict.
 */
export type Strategy =
  | "last_write_wins"
  | "first_write_wins"
  | "manual"
  | { readonly resolve: Resolver };

/** What a thing is for those who read it. */
export interface Image {
  readonly labels: readonly string[];
  readonly properties: JsonObject;
  readonly shape?: JsonValue | undefined;
}

/** Reads registers the way one strategy does. */
export class Decider {
  readonly strategy: Strategy;
  readonly #rules: RegionRules;

  constructor(strategy: Strategy, rules: RegionRules) {
    this.strategy = strategy;
    this.#rules = rules;
  }

  /** Versions, the one that counts first, and then as they would if that one were not there. */
  ranked(register: Register): readonly Version[] {
    const sign = this.strategy === "first_write_wins" ? 1 : -1;
    return [...register.versions].sort((a, b) => sign * this.#rules.compare(a, b));
  }

  winner(register: Register): Version | undefined {
    return register.versions.length < 2 ? register.versions[0] : this.ranked(register)[0];
  }

  isAlive(thing: Thing): boolean {
    return this.winner(thing.life)?.value === true;
  }

  /** What the thing is, or would be were it not deleted. */
  image(thing: Thing): Image {
    const labels: string[] = [];
    for (const [label, { versions }] of thing.labels) {
      if (versions.some(({ value }) => value === true)) labels.push(label);
    }
    const properties: [string, JsonValue][] = [];
    for (const [name, register] of thing.properties) {
      const value = this.property(thing.key, name, register);
      if (value !== undefined) properties.push([name, value]);
    }
    properties.sort(([a], [b]) => (a < b ? -1 : 1));
    const shape = this.winner(thing.shape)?.value;
    return {
      labels: labels.sort(),
      properties: Object.fromEntries(properties),
      ...(shape === undefined ? {} : { shape }),
    };
  }

  property(key: string, name: string, register: Register): JsonValue | undefined {
    const { versions: all, runs } = register;
    if (all.length === 1 && runs === undefined) return all[0]?.value;
    const fallback = () => faceOf(register, this.winner(register));
    if (typeof this.strategy === "string" || !disagrees(register)) return fallback();
    const versions = [...register.versions]
      .sort((a, b) => this.#rules.compare(a, b))
      .map((version) => ({
        value: faceOf(register, version) ?? null,
        origin: version.origin,
        clock: { ms: version.ms, counter: version.counter },
      }));
    try {
      return this.strategy.resolve({ key, property: name, versions });
    } catch {
      return fallback();
    }
  }
}

import type { JsonValue } from "../../../pkg/base/index.js";
import { canonicalText } from "../../../pkg/storage/canonical.js";
import type { RegionState } from "../../../pkg/storage/regions/region-state.js";
import { compareStamps } from "../../../pkg/storage/regions/stamp.js";
import { type Expected, Oracle } from "./oracle.js";
import { DRIFT_MS_MAX, KEYS, outcomeOf, type RegionsWorld } from "./regions-world.js";

/** What is wrong after everybody heard everything; empty: nothing. */
export function findProblems(world: RegionsWorld): readonly string[] {
  const observers = [1, 2].map((n) => world.observer(world.random.fork(`order ${n}`)));
  const states = [...world.regions.map(({ state }) => state), ...observers];
  const outcomes = states.map(outcomeOf);
  const found = outcomes.some((outcome) => outcome !== outcomes[0])
    ? [`regions differ:\n${[...new Set(outcomes)].join("\n")}`]
    : [];
  found.push(...clockProblems(world));
  const { strategy } = world.options;
  const [first] = states;
  if (first === undefined || typeof strategy !== "string") return found;
  return [...found, ...contentProblems(first, world, strategy === "first_write_wins")];
}

/** A write has a later stamp than all its writer knew, but for stamps of clocks that are far off. */
function clockProblems(world: RegionsWorld): string[] {
  const found: string[] = [];
  for (const { change: later } of world.events) {
    for (const { change: earlier } of world.events) {
      const isSame = later.origin === earlier.origin;
      if (!(isSame ? earlier.seq < later.seq : knows(later, earlier))) continue;
      const isFar = !isSame && earlier.ms > later.ms + DRIFT_MS_MAX;
      if (compareStamps(later, earlier) <= 0 && !(isFar || world.alarms > 0)) {
        found.push(`${later.origin}:${later.seq} has an earlier stamp than what it knew`);
      } else if (isSame && compareStamps(later, earlier) <= 0) {
        found.push(`the clock of ${later.origin} went back at ${later.seq}`);
      }
    }
  }
  return found;
}

function knows(
  later: { readonly seen: ReadonlyMap<string, number> },
  earlier: { readonly origin: string; readonly seq: number },
): boolean {
  return (later.seen.get(earlier.origin) ?? 0) >= earlier.seq;
}

function contentProblems(state: RegionState, world: RegionsWorld, firstWins: boolean): string[] {
  const oracle = new Oracle(world.events, firstWins);
  const open = new Set(state.conflicts().map(({ id }) => id));
  const found: string[] = [];
  const check = (what: string, is: unknown, expected: unknown) => {
    const [a, b] = [is, expected].map((value) => canonicalText((value ?? null) as JsonValue));
    if (a !== b) found.push(`${what} is ${a}, not ${b}`);
  };
  const isListed = (key: string, field: string, versions: readonly string[]) =>
    open.has(`${key}/${field}/${[...versions].sort().join(",")}`);
  for (const key of KEYS) {
    const life = oracle.life(key);
    check(`conflict over ${key}`, isListed(key, "life", life.versions), life.disagrees);
    const image = state.image(key);
    if (key.startsWith("n:")) check(`life of ${key}`, image !== undefined, life.winner === true);
    if (image === undefined) continue;
    for (const label of ["A", "B"]) {
      check(`${label} of ${key}`, image.labels.includes(label), oracle.hasLabel(key, label));
    }
    for (const name of ["x", "y"]) {
      const where = `${name} of ${key}`;
      const counts = oracle.increments(key, name).length > 0;
      const { disagrees, versions, winner } = oracle.property(key, name);
      if (!counts) {
        check(where, image.properties[name], winner);
        check(`conflict of ${where}`, isListed(key, `property:${name}`, versions), disagrees);
      } else if (!oracle.hasSeveralLives(key) && versions.length < 2) {
        check(where, image.properties[name], oracle.sum(key, name));
      }
    }
  }
  return found;
}

/** Conflicts that a command's writer knew and wrote over, and that the command does not list. */
export function unlisted(world: RegionsWorld): readonly string[] {
  const found: string[] = [];
  for (const [at, { change, writes }] of world.events.entries()) {
    const before = world.events.slice(0, at).filter(({ change: earlier }) => {
      return earlier.origin === change.origin || knows(change, earlier);
    });
    const oracle = new Oracle(before, world.options.strategy === "first_write_wins");
    const listed = new Set(change.closed.map(({ id }) => id));
    for (const { key, properties } of writes) {
      const life = oracle.life(key);
      const fields: (readonly [string, Expected])[] = [["life", life]];
      for (const name of life.winner === true ? (properties?.keys() ?? []) : []) {
        if (oracle.increments(key, name).length > 0) continue;
        fields.push([`property:${name}`, oracle.property(key, name)]);
      }
      for (const [field, { disagrees, versions }] of fields) {
        const id = `${key}/${field}/${[...versions].sort().join(",")}`;
        if (disagrees && !listed.has(id)) found.push(`${change.origin}:${change.seq} hides ${id}`);
      }
    }
  }
  return found;
}

import type { JsonValue, RegionId } from "../../base/index.js";
import type { Decider } from "./decide.js";
import {
  disagrees,
  faceOf,
  faceText,
  missingRuns,
  type Register,
  type Version,
} from "./register.js";
import { type Stamp, stampText } from "./stamp.js";
import type { Thing } from "./thing.js";
import type { Dot } from "./version-vector.js";

/** One side of a conflict, with where and when it was written. */
export interface ConflictVersion {
  readonly origin: RegionId;
  readonly seq: number;
  /** As `stampText` writes it. */
  readonly clock: string;
  /** Of an update against a deletion: the whole thing. Missing: it was taken away. */
  readonly value?: JsonValue | undefined;
}

/**
 * Writes of several regions to one place, none of which knew of another, that do not agree.
 * The same writes make the same conflict in every region, whatever order they came in.
 */
export interface Conflict {
  /** From the place and the writes. */
  readonly id: string;
  /** `n:` or `e:` and the id. */
  readonly key: string;
  /** `property:NAME`, `shape`, `life`, `end:NODE` */
  readonly field: string;
  readonly kind: "value" | "update_delete" | "edge_end" | "increment";
  readonly winner: ConflictVersion;
  /** In the order in which they would have won. */
  readonly losers: readonly ConflictVersion[];
}

/** A conflict whose place was written by somebody who knew all sides of it. */
export interface ClosedConflict extends Conflict {
  /** `overwritten`: an ordinary write came after it; `resolved`: somebody decided. */
  readonly how: "overwritten" | "resolved";
}

/**
 * What stands in conflict in the thing itself. What is deleted, and nobody says otherwise, has no
 * conflicts: whoever deletes a thing puts an end to those that he knows.
 */
export function conflictsOf(thing: Thing, decider: Decider): readonly Conflict[] {
  const found: Conflict[] = [];
  const life = lifeConflict(thing, decider);
  if (life !== undefined) found.push(life);
  if (life === undefined && !decider.isAlive(thing)) return found;
  const shape = valueConflict(thing.key, "shape", thing.shape, decider);
  if (shape !== undefined) found.push(shape);
  for (const [name, register] of thing.properties) {
    const field = `property:${name}`;
    const value = valueConflict(thing.key, field, register, decider);
    if (value !== undefined) found.push(value);
    const increment = incrementConflict(thing.key, field, register, decider);
    if (increment !== undefined) found.push(increment);
  }
  return found;
}

/**
 * An edge that is there while an end of it was deleted by somebody who did not know the edge. The
 * deletion counts: the edge cannot be seen until the node is there again.
 */
export function endConflict(edge: Thing, end: Thing, decider: Decider): Conflict | undefined {
  const deleted = decider.winner(end.life);
  if (!decider.isAlive(edge) || deleted?.value !== false) return undefined;
  const life = decider.winner(edge.life) as Version;
  const value = decider.image(edge) as unknown as JsonValue;
  const field = `end:${end.key.slice(2)}`;
  return {
    id: idOf(edge.key, field, [deleted, life]),
    key: edge.key,
    field,
    kind: "edge_end",
    winner: side(deleted, undefined),
    losers: [side(life, value)],
  };
}

function lifeConflict(thing: Thing, decider: Decider): Conflict | undefined {
  if (!disagrees(thing.life)) return undefined;
  const [winner, ...others] = decider.ranked(thing.life) as readonly [Version, ...Version[]];
  const image = decider.image(thing) as unknown as JsonValue;
  const show = (version: Version) => side(version, version.value === true ? image : undefined);
  return {
    id: idOf(thing.key, "life", thing.life.versions),
    key: thing.key,
    field: "life",
    kind: "update_delete",
    winner: show(winner),
    losers: others.filter(({ value }) => value !== winner.value).map(show),
  };
}

function valueConflict(
  key: string,
  field: string,
  register: Register,
  decider: Decider,
): Conflict | undefined {
  if (!disagrees(register)) return undefined;
  const [winner, ...others] = decider.ranked(register) as readonly [Version, ...Version[]];
  const shown = faceText(register, winner);
  return {
    id: idOf(key, field, register.versions),
    key,
    field,
    kind: "value",
    winner: side(winner, faceOf(register, winner)),
    losers: others
      .filter((version) => faceText(register, version) !== shown)
      .map((version) => side(version, faceOf(register, version))),
  };
}

/** Increments of what somebody else made into something that is not a number. */
function incrementConflict(
  key: string,
  field: string,
  register: Register,
  decider: Decider,
): Conflict | undefined {
  const winner = decider.winner(register);
  if (winner?.value === undefined || typeof winner.value === "number") return undefined;
  const missing = missingRuns(register, winner);
  if (missing.length === 0) return undefined;
  const dots = missing.map(({ origin, seq }) => `${origin}:${seq}`);
  return {
    id: `${idOf(key, field, [winner])}+${dots.join(",")}`,
    key,
    field,
    kind: "increment",
    winner: side(winner, winner.value),
    losers: missing.map((run) => side(run, run.total)),
  };
}

function side(version: Dot & Stamp, value: JsonValue | undefined): ConflictVersion {
  const { origin, seq } = version;
  const clock = stampText(version);
  return value === undefined ? { origin, seq, clock } : { origin, seq, clock, value };
}

function idOf(key: string, field: string, versions: readonly Version[]): string {
  return `${key}/${field}/${versions.map(({ origin, seq }) => `${origin}:${seq}`).join(",")}`;
}

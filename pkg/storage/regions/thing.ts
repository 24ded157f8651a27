import { EMPTY_REGISTER, type Register } from "./register.js";

/**
 * A node (`n:id`) or an edge (`e:id`) with where each part of it came from. It stays after its
 * deletion, as a tombstone, until no region can send anything that does not know of it.
 */
export interface Thing {
  readonly key: string;
  /** true: somebody wrote to it; false: somebody deleted it. */
  readonly life: Register;
  /** Of an edge: `{from, to, type}`. */
  readonly shape: Register;
  readonly labels: ReadonlyMap<string, Register>;
  readonly properties: ReadonlyMap<string, Register>;
}

export function emptyThing(key: string): Thing {
  const life = EMPTY_REGISTER;
  return { key, life, shape: EMPTY_REGISTER, labels: new Map(), properties: new Map() };
}

export function isEdgeKey(key: string): boolean {
  return key.startsWith("e:");
}

/** Ids of the nodes that any version of the edge hangs on. */
export function endsOf(thing: Thing): readonly string[] {
  const ends = new Set<string>();
  for (const { value } of thing.shape.versions) {
    const { from, to } = value as unknown as { from: string; to: string };
    ends.add(from).add(to);
  }
  return [...ends];
}

import type { JsonObject } from "../../base/index.js";
import type { Draft } from "../draft.js";
import type { EdgeRecord, NodeRecord } from "../records.js";
import type { Image } from "./decide.js";
import type { Session } from "./materialize.js";
import { type ThingWrite, writeBetween } from "./write-change.js";

/**
 * What a command of this region's clients wants of each thing, by what it would do to the graph as
 * it can be seen. Edges that cannot be seen go with the node that is deleted.
 */
export function writesOfDraft(draft: Draft, session: Session): readonly ThingWrite[] {
  const writes: ThingWrite[] = [];
  for (const [id, { before, after }] of draft.edges) {
    if (before === after) continue;
    const key = `e:${id}`;
    const known = before === undefined ? hiddenImage(session, key) : edgeImage(before);
    const write = writeBetween(key, known, edgeImage(after));
    writes.push(withIncrements(write, edgeImage(before), edgeImage(after), draft));
  }
  const hidden = new Set<string>();
  for (const [id, { before, after }] of draft.nodes) {
    if (before === after) continue;
    const [was, is] = [nodeImage(before), nodeImage(after)];
    writes.push(withIncrements(writeBetween(`n:${id}`, was, is), was, is, draft));
    if (after !== undefined) continue;
    for (const { key } of session.things.edgesAt(id)) {
      if (draft.edges.has(key.slice(2)) || session.state.image(key) !== undefined) continue;
      const { from, to } = (hiddenImage(session, key)?.shape ?? {}) as {
        from?: string;
        to?: string;
      };
      if (from === id || to === id) hidden.add(key);
    }
  }
  for (const key of hidden) writes.push({ key, life: false });
  return writes;
}

/**
 * A number that was only added to takes what was added, so that what other regions add meanwhile
 * is not lost. One that was also assigned in the same command is an assignment.
 */
function withIncrements(
  write: ThingWrite,
  before: Image | undefined,
  after: Image | undefined,
  { increments }: Draft,
): ThingWrite {
  const sums = increments.get(write.key);
  if (sums === undefined || before === undefined || after === undefined) return write;
  const properties = new Map(write.properties);
  const added = new Map<string, number>();
  for (const [name, by] of sums) {
    const was = Object.hasOwn(before.properties, name) ? before.properties[name] : 0;
    const isSum = typeof was === "number" && after.properties[name] === was + by;
    if (!isSum || !properties.has(name) || !Number.isSafeInteger(by)) continue;
    properties.delete(name);
    added.set(name, by);
  }
  return { ...write, properties, increments: added };
}

/** Of an edge that is there, but without one of its ends. */
function hiddenImage({ state, things }: Session, key: string): Image | undefined {
  const thing = things.get(key);
  const isThere = thing !== undefined && state.decider.isAlive(thing);
  return isThere ? state.decider.image(thing) : undefined;
}

function nodeImage(node: NodeRecord | undefined): Image | undefined {
  if (node === undefined) return undefined;
  return { labels: JSON.parse(node.labels), properties: parsed(node) };
}

function edgeImage(edge: EdgeRecord | undefined): Image | undefined {
  if (edge === undefined) return undefined;
  const { from, to, type } = edge;
  return { labels: [], properties: parsed(edge), shape: { from, to, type } };
}

function parsed(record: { readonly properties: string }): JsonObject {
  return JSON.parse(record.properties);
}

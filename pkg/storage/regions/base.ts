import type { JsonValue } from "../../base/index.js";
import type { GraphView } from "../draft.js";
import type { EdgeRecord, NodeRecord } from "../records.js";
import type { Register, Version } from "./register.js";
import type { Stamp } from "./stamp.js";
import { emptyThing, isEdgeKey, type Thing } from "./thing.js";

/**
 * The write that brought in what had been there before the region was founded. Nothing is stored
 * for it: what has no origins of its own, and is there, is as this write left it.
 */
export interface Base extends Stamp {
  readonly seq: number;
}

/** @returns undefined when it is not there */
export function baseThing(view: GraphView, base: Base | undefined, key: string): Thing | undefined {
  if (base === undefined) return undefined;
  const id = key.slice(2);
  if (isEdgeKey(key)) {
    const edge = view.edge(id);
    return edge === undefined ? undefined : edgeThing(key, edge, base);
  }
  const node = view.node(id);
  return node === undefined ? undefined : nodeThing(key, node, base);
}

function nodeThing(key: string, node: NodeRecord, base: Base): Thing {
  const labels = JSON.parse(node.labels) as readonly string[];
  return {
    ...emptyThing(key),
    life: written(base, true),
    labels: new Map(labels.map((label) => [label, written(base, true)])),
    properties: propertiesOf(node, base),
  };
}

function edgeThing(key: string, edge: EdgeRecord, base: Base): Thing {
  const { from, to, type } = edge;
  return {
    ...emptyThing(key),
    life: written(base, true),
    shape: written(base, { from, to, type }),
    properties: propertiesOf(edge, base),
  };
}

function propertiesOf(record: { readonly properties: string }, base: Base) {
  const properties = JSON.parse(record.properties) as Record<string, JsonValue>;
  return new Map(Object.entries(properties).map(([name, value]) => [name, written(base, value)]));
}

function written({ origin, seq, ms, counter }: Base, value: JsonValue): Register {
  const version: Version = { origin, seq, ms, counter, value };
  return { versions: [version] };
}

import { canonicalText, labelsText } from "../canonical.js";
import { Draft, type GraphView } from "../draft.js";
import { type EdgeRecord, edgeRecord, type NodeRecord, nodeRecord } from "../records.js";
import { conflictsOf } from "./conflict.js";
import type { Decider, Image } from "./decide.js";
import type { RegionState } from "./region-state.js";
import { Mark } from "./region-store.js";
import type { Register } from "./register.js";
import { isEdgeKey, type Thing } from "./thing.js";
import type { ThingDraft } from "./thing-draft.js";

export interface Session {
  readonly state: RegionState;
  readonly things: ThingDraft;
}

interface Shown {
  readonly view: GraphView;
  /** The same, where something has looked it up already. */
  readonly before: Pick<GraphView, "node" | "edge">;
  /** Of what looks different from before. */
  readonly version: number;
}

/**
 * What readers see of the things with these keys, and of edges that can be seen, or can no longer,
 * because a node came or went.
 */
export function materialize(
  { state, things }: Session,
  keys: readonly string[],
  { view, before: earlier, version }: Shown,
): Draft {
  const draft = new Draft(view);
  const edges = new Set<string>();
  for (const key of keys) {
    if (isEdgeKey(key)) {
      edges.add(key);
      continue;
    }
    const id = key.slice(2);
    const before = earlier.node(id);
    const after = nodeOf(id, state.image(key), before, version);
    draft.setNode(id, before, after);
    things.mark(key, marksOf(things.get(key), state.decider, false));
    const isOld = things.was(key) !== undefined;
    if (isOld && (before === undefined) !== (after === undefined)) {
      for (const edge of things.edgesAt(id)) edges.add(edge.key);
    }
  }
  for (const key of edges) {
    const id = key.slice(2);
    const before = earlier.edge(id);
    const after = edgeOf(id, state.image(key), before, version);
    draft.setEdge(id, before, after);
    const thing = things.get(key);
    const isHidden = after === undefined && thing !== undefined && state.decider.isAlive(thing);
    things.mark(key, marksOf(thing, state.decider, isHidden));
  }
  return draft;
}

function nodeOf(
  id: string,
  image: Image | undefined,
  before: NodeRecord | undefined,
  version: number,
): NodeRecord | undefined {
  if (image === undefined) return undefined;
  const labels = labelsText(image.labels);
  const properties = canonicalText(image.properties);
  if (before?.labels === labels && before.properties === properties) return before;
  return nodeRecord(id, labels, properties, version);
}

function edgeOf(
  id: string,
  image: Image | undefined,
  before: EdgeRecord | undefined,
  version: number,
): EdgeRecord | undefined {
  if (image === undefined) return undefined;
  const { from, to, type } = image.shape as { from: string; to: string; type: string };
  const properties = canonicalText(image.properties);
  const isSame = before?.from === from && before.to === to && before.type === type;
  if (isSame && before.properties === properties) return before;
  return edgeRecord({ id, from, to, type, properties, version });
}

function marksOf(thing: Thing | undefined, decider: Decider, isHidden: boolean): number {
  if (thing === undefined) return 0;
  let isFading = false;
  let isPlain = true;
  for (const register of registersOf(thing)) {
    if (register.versions.length > 1 || register.runs !== undefined) isPlain = false;
    for (const { value } of register.versions) {
      if (value === undefined || value === false) isFading = true;
    }
  }
  const isDisputed = !isPlain && conflictsOf(thing, decider).length > 0;
  return (
    (isFading ? Mark.fading : 0) | (isDisputed ? Mark.disputed : 0) | (isHidden ? Mark.hidden : 0)
  );
}

function* registersOf(thing: Thing): Iterable<Register> {
  yield thing.life;
  yield thing.shape;
  yield* thing.labels.values();
  yield* thing.properties.values();
}

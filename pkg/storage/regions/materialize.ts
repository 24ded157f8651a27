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
  /** Of a command of this region's clients: what it did to the graph. */
  readonly own: Draft | undefined;
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
  { view, own, version }: Shown,
): Draft {
  const draft = new Draft(view);
  const earlier = own?.before ?? view;
  const edges = new Set<string>();
  for (const key of keys) {
    if (isEdgeKey(key)) {
      edges.add(key);
      continue;
    }
    const id = key.slice(2);
    const before = earlier.node(id);
    const { marks, isPlain } = looksOf(things.get(key), state.decider);
    const done = isPlain ? own?.nodes.get(id) : undefined;
    const after = done === undefined ? nodeOf(id, state.image(key), before, version) : done.after;
    draft.setNode(id, before, after);
    things.mark(key, marks);
    const isOld = things.was(key) !== undefined;
    if (isOld && (before === undefined) !== (after === undefined)) {
      for (const edge of things.edgesAt(id)) edges.add(edge.key);
    }
  }
  for (const key of edges) {
    const id = key.slice(2);
    const before = earlier.edge(id);
    const thing = things.get(key);
    const { marks, isPlain } = looksOf(thing, state.decider);
    const done = isPlain ? own?.edges.get(id) : undefined;
    const after = done === undefined ? edgeOf(id, state.image(key), before, version) : done.after;
    draft.setEdge(id, before, after);
    const isHidden = after === undefined && thing !== undefined && state.decider.isAlive(thing);
    things.mark(key, isHidden ? marks | Mark.hidden : marks);
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

interface Looks {
  readonly marks: number;
  /** Every part has one version and nothing on top: it is as whoever wrote to it last has seen it. */
  readonly isPlain: boolean;
}

function looksOf(thing: Thing | undefined, decider: Decider): Looks {
  if (thing === undefined) return { marks: 0, isPlain: true };
  let isFading = false;
  let isPlain = true;
  // Not a generator: this is looked at for every thing that any command changes.
  const look = ({ versions, runs }: Register) => {
    if (versions.length > 1 || runs !== undefined) isPlain = false;
    for (const { value } of versions) if (value === undefined || value === false) isFading = true;
  };
  look(thing.life);
  look(thing.shape);
  for (const register of thing.labels.values()) look(register);
  for (const register of thing.properties.values()) look(register);
  const isDisputed = !isPlain && conflictsOf(thing, decider).length > 0;
  const marks = (isFading ? Mark.fading : 0) | (isDisputed ? Mark.disputed : 0);
  return { marks, isPlain };
}

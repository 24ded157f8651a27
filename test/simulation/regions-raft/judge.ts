import type { JsonValue, RegionId } from "../../../pkg/base/index.js";
import { canonicalText } from "../../../pkg/storage/canonical.js";
import type { Change, ThingChange } from "../../../pkg/storage/regions/change.js";
import { parseChange } from "../../../pkg/storage/regions/change-text.js";
import { closedName } from "../../../pkg/storage/regions/closed-conflicts.js";
import type { Image } from "../../../pkg/storage/regions/decide.js";
import { compareStamps } from "../../../pkg/storage/regions/stamp.js";
import { LARGEST } from "../regions/command-world.js";
import { pureOutcome } from "../regions/pure-outcome.js";
import { COUNTER } from "./clients.js";
import type { RegionCluster } from "./region-cluster.js";
import type { RegionNode } from "./region-node.js";
import type { RegionSwarm } from "./swarm.js";

interface Told {
  readonly change: Change;
  readonly thing: ThingChange;
}

/** What is wrong once everybody that is left has heard everything; empty: nothing. */
export function findProblems(
  swarm: RegionSwarm,
  clusters: readonly RegionCluster[],
): readonly string[] {
  const left = clusters.filter(({ isGone }) => !isGone);
  const told = new Map(clusters.map(({ id, told: texts }) => [id, texts] as const));
  const [first] = left;
  if (first === undefined) return [];
  const strategy = swarm.strategy === "resolver" ? { resolve: LARGEST } : swarm.strategy;
  const expected = JSON.stringify(pureOutcome(told, first.have, strategy, [COUNTER]));
  const found: string[] = [];
  for (const cluster of left) {
    const digests = cluster.nodes.map(({ machine }) => JSON.stringify(machine.digest()));
    if (new Set(digests).size > 1) found.push(`nodes of ${cluster.id} differ`);
    for (const node of cluster.nodes) {
      const is = JSON.stringify(outcomeOf(node));
      if (is === expected) continue;
      found.push(`${cluster.id} is\n${is}\nand should be\n${expected}`);
      break;
    }
  }
  const changes = clusters.flatMap(({ id, told: texts }) =>
    texts.slice(0, first.have.get(id) ?? 0).map((text) => parseChange(JSON.parse(text))),
  );
  found.push(...clockProblems(changes), ...missing(changes, first.nodes[0] as RegionNode));
  return found;
}

function outcomeOf({ machine }: RegionNode): unknown {
  return {
    graph: machine.graph(),
    conflicts: machine
      .conflicts()
      .map((conflict) => JSON.stringify(conflict))
      .sort(),
    closed: machine.region?.meta.closed.map(closedName),
  };
}

/** A region's clock never goes back, whoever leads and whatever the wall clocks do. */
function clockProblems(changes: readonly Change[]): string[] {
  const last = new Map<RegionId, Change>();
  const found: string[] = [];
  for (const change of changes) {
    const before = last.get(change.origin);
    if (before !== undefined && compareStamps(change, before) <= 0) {
      found.push(`the clock of ${change.origin} went back at ${change.seq}`);
    }
    last.set(change.origin, change);
  }
  return found;
}

/** Writes that nobody knew who wrote there later, and that can neither be seen nor are listed. */
function missing(changes: readonly Change[], node: RegionNode): string[] {
  const byKey = new Map<string, Told[]>();
  for (const change of changes) {
    for (const thing of change.things) {
      byKey.set(thing.key, [...(byKey.get(thing.key) ?? []), { change, thing }]);
    }
  }
  const open = node.machine.conflicts();
  // A value that several wrote is listed once.
  const isListed = (field: string, value: JsonValue | undefined, { change, thing }: Told) =>
    open.some((conflict) => {
      if (conflict.key !== thing.key || conflict.field !== field) return false;
      return [conflict.winner, ...conflict.losers].some(({ origin, seq, value: side }) => {
        return (origin === change.origin && seq === change.seq) || isSame(side, value);
      });
    });
  const hidden = new Set(open.flatMap(({ key, kind }) => (kind === "edge_end" ? [key] : [])));
  const found: string[] = [];
  for (const [key, all] of byKey) {
    const image = node.machine.image(key);
    for (const one of all) {
      const later = all.filter((other) => knows(other.change, one.change));
      const lost = fieldsOf(one, image).filter(({ field, value, isOver }) => {
        return !(later.some(isOver) || isListed(field, value, one));
      });
      const isSeen = image !== undefined || hidden.has(key);
      if (later.length === 0 && one.thing.life !== isSeen && !isLifeListed(node, key)) {
        found.push(`${nameOf(one)} made ${key} ${one.thing.life ? "" : "un"}seen in vain`);
      }
      if (image === undefined || !one.thing.life) continue;
      for (const { field } of lost) found.push(`${nameOf(one)}: ${key}/${field} is nowhere`);
    }
  }
  return found;
}

interface Field {
  readonly field: string;
  readonly value?: JsonValue | undefined;
  /** What was written later takes its place. */
  readonly isOver: (later: Told) => boolean;
}

/** Places of a write that do not show what it put there. */
function fieldsOf({ thing }: Told, image: Image | undefined): readonly Field[] {
  const gone = (later: Told) => !later.thing.life || later.thing.fresh === true;
  const fields: Field[] = [];
  for (const { name, value } of thing.properties) {
    if (isSame(value, image?.properties[name])) continue;
    const writes = ({ thing: { properties } }: Told) => properties.some((it) => it.name === name);
    fields.push({
      field: `property:${name}`,
      value,
      isOver: (later) => gone(later) || writes(later),
    });
  }
  if (thing.shape !== undefined && !isSame(thing.shape, image?.shape)) {
    fields.push({
      field: "shape",
      value: thing.shape,
      isOver: (later) => gone(later) || later.thing.shape !== undefined,
    });
  }
  for (const [label, present] of thing.labels) {
    if (!present || image?.labels.includes(label) === true) continue;
    const writes = ({ thing: { labels } }: Told) => labels.some(([name]) => name === label);
    fields.push({ field: `label:${label}`, isOver: (later) => gone(later) || writes(later) });
  }
  return fields;
}

function isSame(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonicalText(a) === canonicalText(b);
}

function isLifeListed(node: RegionNode, key: string): boolean {
  return node.machine
    .conflicts()
    .some((conflict) => conflict.key === key && conflict.kind === "update_delete");
}

function knows(later: Change, earlier: Change): boolean {
  if (later.origin === earlier.origin) return earlier.seq < later.seq;
  return (later.seen.get(earlier.origin) ?? 0) >= earlier.seq;
}

const nameOf = ({ change }: Told): string => `${change.origin}:${change.seq}`;

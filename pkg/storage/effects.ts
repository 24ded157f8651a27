import type { Draft } from "./draft.js";
import type { EdgeRecord, NodeRecord } from "./records.js";

/**
 * The JSON text of a command's effects (`Effect[]`), one for each thing that is not as it was.
 * Edges go before the nodes they hang on and come after them, so that the list can be replayed.
 */
export function effectsText(draft: Draft): string {
  const gone: string[] = [];
  const put: string[] = [];
  for (const [id, { before, after }] of draft.edges) {
    if (after !== undefined) put.push(edgeEffect(after, before === undefined));
    else if (before !== undefined) gone.push(`{"kind":"edge_deleted","id":${JSON.stringify(id)}}`);
  }
  const parts: string[] = gone;
  for (const { before, after } of draft.nodes.values()) {
    if (after !== undefined) parts.push(nodeEffect(after, before === undefined));
  }
  for (const effect of put) parts.push(effect);
  for (const [id, { before, after }] of draft.nodes) {
    if (after === undefined && before !== undefined) {
      parts.push(`{"kind":"node_deleted","id":${JSON.stringify(id)}}`);
    }
  }
  for (const { before, after } of draft.indexes.values()) {
    const index = after ?? before;
    if (index === undefined || (before === undefined) === (after === undefined)) continue;
    const kind = after === undefined ? "index_dropped" : "index_created";
    parts.push(JSON.stringify({ kind, label: index.label, property: index.property }));
  }
  return `[${parts.join(",")}]`;
}

function nodeEffect(node: NodeRecord, created: boolean): string {
  return `{"kind":"node_put","node":{"id":${JSON.stringify(node.id)},"labels":${node.labels},"properties":${node.properties},"version":${node.version}},"created":${created}}`;
}

function edgeEffect(edge: EdgeRecord, created: boolean): string {
  return `{"kind":"edge_put","edge":{"id":${JSON.stringify(edge.id)},"from":${JSON.stringify(edge.from)},"to":${JSON.stringify(edge.to)},"type":${JSON.stringify(edge.type)},"properties":${edge.properties},"version":${edge.version}},"created":${created}}`;
}

import { decodeCommand } from "./commands.js";
import type { Operation } from "./graph.js";

/** What a command writes, as its payload says: under which request id, and the keys of its things. */
export interface CommandKeys {
  /** Empty: it has none. */
  readonly requestId: string;
  /** Ascending by operation; a node that takes its edges along is named alone. */
  readonly keys: readonly string[];
}

/** @returns no keys for a payload that would be refused */
export function keysOfCommand(payload: Uint8Array): CommandKeys {
  const { requestId, operations } = decodeCommand(payload);
  return { requestId, keys: operations.flatMap((operation) => keyOf(operation) ?? []) };
}

/** As `ComparableContent` names it. */
export function nodeKey(id: string): string {
  return `n:${id}`;
}

export function edgeKey(id: string): string {
  return `e:${id}`;
}

function keyOf(operation: Operation): string | undefined {
  switch (operation.op) {
    case "put_node":
    case "patch_node":
    case "delete_node":
    case "increment_node":
      return nodeKey(operation.id);
    case "put_edge":
    case "patch_edge":
    case "delete_edge":
    case "increment_edge":
      return edgeKey(operation.id);
    default:
      return undefined;
  }
}

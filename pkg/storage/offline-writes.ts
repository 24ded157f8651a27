import type { Awaitable } from "../base/index.js";
import { ReplicationError } from "../replication/errors.js";
import type { DecodedCommand } from "./commands.js";
import type { Operation, OperationResult, Properties } from "./graph.js";
import type { Outcome } from "./state-engine.js";
import { validateOperations } from "./validate.js";

/** The writes of `Storage` that need no log, in terms of one that takes a command. */
export abstract class OfflineWrites {
  /** @throws ReplicationError */
  protected abstract writeOffline(command: DecodedCommand): Awaitable<OperationResult>;

  createNode(id: string, labels: readonly string[], properties: Properties) {
    return this.writeOffline(command({ op: "put_node", id, labels, properties }, "absent"));
  }

  updateNode(id: string, labels: readonly string[], properties: Properties) {
    return this.writeOffline(command({ op: "put_node", id, labels, properties }, "present"));
  }

  deleteNode(id: string, options: { readonly detach?: boolean } = {}) {
    return this.writeOffline(command({ op: "delete_node", id, detach: options.detach ?? false }));
  }

  createEdge(edge: {
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly type: string;
    readonly properties: Properties;
  }) {
    return this.writeOffline(command({ op: "put_edge", ...edge }, "absent"));
  }

  deleteEdge(id: string) {
    return this.writeOffline(command({ op: "delete_edge", id }));
  }

  setProperty(nodeId: string, key: string, value: Properties[string]) {
    const properties = Object.fromEntries([[key, value]]);
    return this.writeOffline(command({ op: "patch_node", id: nodeId, properties }));
  }
}

function command(operation: Operation, expect?: DecodedCommand["expect"]): DecodedCommand {
  return { requestId: "", timestampMs: 0, operations: validateOperations([operation]), expect };
}

/** @throws ReplicationError when the command was refused */
export function toOperationResult(outcome: Outcome): OperationResult {
  if (!outcome.ok) throw new ReplicationError(outcome.code, outcome.message);
  return (outcome.value as unknown as readonly OperationResult[])[0] as OperationResult;
}

export function ownedByLog(): ReplicationError {
  return new ReplicationError(
    "READ_ONLY",
    "a log drives this storage; write through its replicator",
  );
}

import type { Awaitable, Position } from "../base/index.js";
import type { StateMachine } from "../replication/ports/index.js";
import type { GraphReader, OperationResult, Properties } from "./graph.js";

/**
 * The graph as a state machine, with its reads. `createNode` to `setWALPosition` write without a
 * log: they are for filling a store before a replicator owns it, and throw
 * `ReplicationError` `READ_ONLY` from the first `applyBatch` on.
 */
export interface Storage extends StateMachine, GraphReader {
  createNode(
    id: string,
    labels: readonly string[],
    properties: Properties,
  ): Awaitable<OperationResult>;
  updateNode(
    id: string,
    labels: readonly string[],
    properties: Properties,
  ): Awaitable<OperationResult>;
  deleteNode(id: string, options?: { readonly detach?: boolean }): Awaitable<OperationResult>;
  createEdge(edge: {
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly type: string;
    readonly properties: Properties;
  }): Awaitable<OperationResult>;
  deleteEdge(id: string): Awaitable<OperationResult>;
  setProperty(nodeId: string, key: string, value: Properties[string]): Awaitable<OperationResult>;
  setWALPosition(position: Position): Awaitable<void>;
}

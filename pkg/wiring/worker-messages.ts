import type { MessagePort } from "node:worker_threads";
import type { FromNode, ReplicationLimits } from "../replication/index.js";
import type { LogFields, LogLevel } from "../runtime/index.js";
import type { NodeSetup } from "./node-setup.js";

/** What the replication worker is told at birth. */
export interface ReplicationWorkerData {
  readonly setup: NodeSetup;
  readonly limits: ReplicationLimits;
  /** The other end serves the state machine. */
  readonly stateMachine: MessagePort;
  readonly applyAheadMax: number;
}

/** Beside the node's own messages, its log lines: they are written by the thread that owns the logger. */
export type FromWorker =
  | FromNode
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly event: string;
      readonly message: string;
      readonly fields: LogFields;
    };

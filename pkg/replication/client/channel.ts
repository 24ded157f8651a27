import type { JsonValue, Position } from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import type { ReadRequest } from "../driver/waiting-reads.js";
import type { ErrorData } from "../errors.js";
import type { PackedPayloads } from "../payload.js";
import type { Durability, Health, ReplicatorEvent } from "../replicator.js";

/** From the client to the node. Tickets of a `propose` are `firstTicket`, `firstTicket + 1`, … */
export type ToNode =
  | { readonly kind: "propose"; readonly firstTicket: number; readonly packed: PackedPayloads }
  | { readonly kind: "read"; readonly ticket: number; readonly request: ReadRequest }
  | { readonly kind: "order"; readonly ticket: number; readonly order: Order }
  | { readonly kind: "health"; readonly ticket: number }
  | { readonly kind: "metrics"; readonly ticket: number }
  | { readonly kind: "stop" };

/** One answered write: `value` as the state machine gave it. */
export type AnswerData =
  | {
      readonly ticket: number;
      readonly index: number;
      readonly term: number;
      readonly durability: Durability;
      readonly replayed: boolean;
      readonly value: JsonValue;
    }
  | { readonly ticket: number; readonly error: ErrorData };

/** From the node to the client. */
export type FromNode =
  | { readonly kind: "started"; readonly health: Health }
  | { readonly kind: "start_failed"; readonly error: ErrorData }
  | { readonly kind: "answers"; readonly answers: readonly AnswerData[] }
  | { readonly kind: "position"; readonly ticket: number; readonly position: Position }
  | { readonly kind: "ordered"; readonly ticket: number; readonly result: JsonValue }
  /** A read or an order was refused. */
  | { readonly kind: "refused"; readonly ticket: number; readonly error: ErrorData }
  | { readonly kind: "health"; readonly ticket: number; readonly health: Health }
  | { readonly kind: "metrics"; readonly ticket: number; readonly metrics: JsonValue }
  | { readonly kind: "event"; readonly event: ReplicatorEvent }
  | { readonly kind: "failed"; readonly error: ErrorData }
  | { readonly kind: "stopped"; readonly error?: ErrorData };

/** The way to a node, in this thread or another one. Messages keep their order. */
export interface NodeChannel {
  send(message: ToNode): void;
  /** Ends the way, not the node; for after `stopped`. */
  close(): Promise<void>;
}

/** Starts the node; the channel delivers `started` or `start_failed` first, `stopped` last. */
export type OpenChannel = (deliver: (message: FromNode) => void) => NodeChannel;

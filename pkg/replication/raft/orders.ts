import {
  type JsonValue,
  type LogIndex,
  type NodeId,
  parseNodeId,
  type Term,
} from "../../base/index.js";
import type { Order } from "../driver/mode.js";
import { type ErrorData, fromErrorData, ReplicationError, toErrorData } from "../errors.js";
import { MessageType, type PeerMessage, type PeerPayload } from "../ports/index.js";
import { PayloadFields } from "../wire/index.js";
import type { RaftInput } from "./core/effects.js";

export interface RaftOrdersParts {
  readonly self: NodeId;
  leader(): NodeId | null;
  input(input: RaftInput): void;
  forward(leader: NodeId, message: PeerMessage, action: string): Promise<PeerMessage>;
  /** Work of the leader that goes through no single input; undefined for an action that is none. */
  work(order: Order): (() => Promise<JsonValue>) | undefined;
  /** The answer to a question about this node; undefined for an action that is none. */
  tell(action: string): JsonValue | undefined;
  settle(ticket: number, outcome: JsonValue | ReplicationError): void;
}

export interface MemberAnswer {
  readonly node: NodeId;
  readonly answer: JsonValue | ReplicationError;
}

type Args = Order["args"];
type Settle = (outcome: JsonValue | ReplicationError) => void;

const ACTIONS: Readonly<Record<string, (ticket: number, args: Args) => RaftInput>> = {
  "add member": (ticket, args) => ({
    kind: "change_members",
    ticket,
    change: {
      kind: "add",
      id: toId(args.node_id, "node_id"),
      address: toAddress(args.address),
      voter: args.learner !== true,
    },
  }),
  "remove member": (ticket, args) => ({
    kind: "change_members",
    ticket,
    change: { kind: "remove", id: toId(args.node_id, "node_id") },
  }),
  "move member": (ticket, args) => ({
    kind: "change_members",
    ticket,
    change: {
      kind: "address",
      id: toId(args.node_id, "node_id"),
      address: toAddress(args.address),
    },
  }),
  promote: (ticket, args) => ({
    kind: "change_members",
    ticket,
    change: { kind: "promote", id: toId(args.node_id, "node_id") },
  }),
  "transfer leadership": (ticket, args) => ({
    kind: "transfer",
    ticket,
    target: args.target === undefined || args.target === null ? null : toId(args.target, "target"),
  }),
  "step down": (ticket) => ({ kind: "step_down", ticket }),
};

/** Orders of operators. The leader carries them out; any node takes them and sends them on. */
export class RaftOrders {
  readonly #parts: RaftOrdersParts;
  readonly #open = new Map<number, Settle>();
  #lastTicket = 0;

  constructor(parts: RaftOrdersParts) {
    this.#parts = parts;
  }

  begin(ticket: number, order: Order): void {
    const settle: Settle = (outcome) => this.#parts.settle(ticket, outcome);
    const leader = this.#parts.leader();
    if (leader === null || leader === this.#parts.self) this.#carryOut(order, settle);
    else void this.#forward(leader, order, settle);
  }

  /** Has that node carry the order out; resolves with its answer, whatever it is. */
  at(node: NodeId, order: Order): Promise<JsonValue | ReplicationError> {
    return new Promise((settle) => {
      if (node === this.#parts.self) this.#carryOut(order, settle);
      else void this.#forward(node, order, settle);
    });
  }

  /** What each of the nodes but this one answers. */
  atOthers(nodes: readonly NodeId[], order: Order): Promise<readonly MemberAnswer[]> {
    const others = nodes.filter((node) => node !== this.#parts.self);
    return Promise.all(others.map(async (node) => ({ node, answer: await this.at(node, order) })));
  }

  /** An order that another node sent here. */
  async answer(message: PeerMessage): Promise<PeerMessage> {
    const fields = new PayloadFields(message.payload, "order");
    const action = fields.text("action", 64);
    const args = fields.json("args") as Args;
    const outcome = await new Promise<JsonValue | ReplicationError>((settle) =>
      this.#carryOut({ action, args }, settle),
    );
    const payload: PeerPayload =
      outcome instanceof ReplicationError
        ? (JSON.parse(JSON.stringify({ error: toErrorData(outcome) })) as PeerPayload)
        : { result: outcome };
    return { type: MessageType.orderResponse, payload };
  }

  done(ticket: number, index: LogIndex, term: Term): void {
    this.#take(ticket)?.({ index, term });
  }

  /** @returns false when the ticket is not of an order */
  refused(ticket: number, error: ReplicationError): boolean {
    const settle = this.#take(ticket);
    settle?.(error);
    return settle !== undefined;
  }

  #carryOut({ action, args }: Order, settle: Settle): void {
    const told = this.#parts.tell(action);
    if (told !== undefined) {
      settle(told);
      return;
    }
    const work = this.#parts.work({ action, args });
    if (work !== undefined) {
      work().then(settle, (error: unknown) => settle(toReplicationError(error)));
      return;
    }
    const make = ACTIONS[action];
    if (make === undefined) {
      settle(new ReplicationError("CONFLICT", `mode raft has no "${action}"`));
      return;
    }
    // Fractions: neither the clients' tickets nor those of other nodes' writes have any.
    this.#lastTicket += 1;
    const ticket = this.#lastTicket + 0.5;
    let input: RaftInput;
    try {
      input = make(ticket, args);
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
      settle(error);
      return;
    }
    this.#open.set(ticket, settle);
    this.#parts.input(input);
  }

  async #forward(leader: NodeId, order: Order, settle: Settle): Promise<void> {
    const payload = { action: order.action, args: order.args } as PeerPayload;
    try {
      const message = { type: MessageType.order, payload };
      const answer = await this.#parts.forward(leader, message, order.action);
      const fields = new PayloadFields(answer.payload, "orderResponse");
      const error = fields.value("error");
      settle(
        error === undefined ? fields.json("result") : fromErrorData(error as never as ErrorData),
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      settle(new ReplicationError("COMMIT_UNKNOWN", `${leader} did not answer: ${reason}`));
    }
  }

  #take(ticket: number): Settle | undefined {
    const settle = this.#open.get(ticket);
    this.#open.delete(ticket);
    return settle;
  }
}

function toReplicationError(error: unknown): ReplicationError {
  if (error instanceof ReplicationError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new ReplicationError("STORAGE_FAILED", reason);
}

function toId(value: JsonValue | undefined, field: string): NodeId {
  const id = typeof value === "string" ? parseNodeId(value) : undefined;
  if (id !== undefined) return id;
  throw new ReplicationError("INVALID", `${field} must be a node id`, { field });
}

function toAddress(value: JsonValue | undefined): string {
  if (typeof value === "string" && /^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$/.test(value))
    return value;
  throw new ReplicationError("INVALID", "address must be host:port", { field: "address" });
}

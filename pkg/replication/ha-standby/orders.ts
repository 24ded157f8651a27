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
import type { HaInput } from "./core/effects.js";

export interface HaOrdersParts {
  readonly self: NodeId;
  /** Names of the pair, by what people call them. */
  idOf(name: NodeId): NodeId | undefined;
  /** What people call a node of the pair. */
  nameOf(id: NodeId): NodeId;
  primary(): NodeId | null;
  input(input: HaInput): void;
  call(to: NodeId, message: PeerMessage, action: string): Promise<PeerMessage>;
  /** Work that goes through no single input; undefined for an action that is none. */
  work(action: string, args: Args): (() => Promise<JsonValue>) | undefined;
  settle(ticket: number, outcome: JsonValue | ReplicationError): void;
}

type Args = Order["args"];
type Settle = (outcome: JsonValue | ReplicationError) => void;

/** Orders that the primary carries out, whichever node they were given to. */
const OF_PRIMARY: ReadonlySet<string> = new Set(["switch over", "describe", "verify"]);
const FLAGS = ["force", "others_stopped"] as const;

/** What operators ask of a node, and what nodes ask of each other beside the stream. */
export class HaOrders {
  readonly #parts: HaOrdersParts;
  readonly #open = new Map<number, Settle>();
  #lastTicket = 0;

  constructor(parts: HaOrdersParts) {
    this.#parts = parts;
  }

  begin(ticket: number, order: Order): void {
    const settle: Settle = (outcome) => this.#parts.settle(ticket, outcome);
    const primary = this.#parts.primary();
    if (!OF_PRIMARY.has(order.action) || primary === this.#parts.self) {
      this.#carryOut(order, settle);
    } else if (primary === null) {
      settle(new ReplicationError("NO_LEADER", "no primary is known", { retryAfterMs: 1_000 }));
    } else void this.at(primary, order).then(settle);
  }

  /** Has that node carry the order out; resolves with its answer, whatever it is. */
  async at(node: NodeId, order: Order): Promise<JsonValue | ReplicationError> {
    if (node === this.#parts.self) {
      return new Promise((settle) => this.#carryOut(order, settle));
    }
    const payload = { action: order.action, args: order.args } as PeerPayload;
    try {
      const message = { type: MessageType.order, payload };
      const answer = await this.#parts.call(node, message, order.action);
      const fields = new PayloadFields(answer.payload, "orderResponse");
      const error = fields.value("error");
      if (error === undefined) return fields.json("result");
      return fromErrorData(error as never as ErrorData);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return new ReplicationError(
        "COMMIT_UNKNOWN",
        `${this.#parts.nameOf(node)} did not answer: ${reason}`,
      );
    }
  }

  /** An order that another node sent here. */
  async answer(message: PeerMessage): Promise<PeerMessage> {
    const fields = new PayloadFields(message.payload, "order");
    const action = fields.text("action", 64);
    const args = fields.json("args") as Args;
    const outcome = await this.at(this.#parts.self, { action, args });
    const payload =
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
    try {
      const work = this.#parts.work(action, args);
      if (work !== undefined) {
        work().then(settle, (error: unknown) => settle(toReplicationError(error)));
        return;
      }
      // Fractions: neither the clients' tickets nor those of other nodes' writes have any.
      this.#lastTicket += 1;
      const ticket = this.#lastTicket + 0.5;
      const input = this.#toInput(action, ticket, args);
      this.#open.set(ticket, settle);
      this.#parts.input(input);
    } catch (error) {
      settle(toReplicationError(error));
    }
  }

  #toInput(action: string, ticket: number, args: Args): HaInput {
    if (action === "promote") {
      for (const flag of FLAGS) {
        if (args[flag] !== undefined && typeof args[flag] !== "boolean") {
          throw new ReplicationError("INVALID", `${flag} must be true or false`, { field: flag });
        }
      }
      const [force, othersStopped] = FLAGS.map((flag) => args[flag] === true);
      return {
        kind: "promote",
        ticket,
        force: force === true,
        othersStopped: othersStopped === true,
      };
    }
    if (action === "switch over") {
      return { kind: "switchover", ticket, target: this.#target(args.target) };
    }
    if (action === "read index") return { kind: "read", ticket };
    throw new ReplicationError("CONFLICT", `mode ha_standby has no "${action}"`);
  }

  #target(value: JsonValue | undefined): NodeId | null {
    if (value === undefined) return null;
    const name = typeof value === "string" ? parseNodeId(value) : undefined;
    const id = name === undefined ? undefined : this.#parts.idOf(name);
    if (id !== undefined) return id;
    throw new ReplicationError("NOT_FOUND", "target must be the id of a standby", {
      field: "target",
    });
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

import { closeInOrder, type JsonValue, type Position, unreachable } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { type NodeParts, ReplicationNode } from "../driver/node.js";
import { type ErrorData, ReplicationError, toErrorData } from "../errors.js";
import { unpackPayloads } from "../payload.js";
import { LogError, StateMachineError } from "../ports/index.js";
import type { AnswerData, FromNode, ToNode } from "./channel.js";

type Kind = { readonly kind: string };

export interface HostParts<State, I extends Kind, E extends Kind>
  extends Omit<NodeParts<State, I, E>, "listener"> {
  /** The metrics of this thread, as plain data. */
  readonly readMetrics: () => Promise<JsonValue>;
  readonly deliver: (message: FromNode) => void;
}

/** The node's end of a channel: starts a node and speaks for it. */
export class NodeHost<State, I extends Kind, E extends Kind> {
  readonly #parts: HostParts<State, I, E>;
  #node: ReplicationNode<State, I, E> | undefined;
  #stopWanted = false;

  constructor(parts: HostParts<State, I, E>) {
    this.#parts = parts;
  }

  /** Delivers `started` or `start_failed`; never rejects. */
  async start(): Promise<void> {
    const { deliver } = this.#parts;
    try {
      this.#node = await ReplicationNode.start({
        ...this.#parts,
        listener: {
          onAnswers: (answers) => deliver({ kind: "answers", answers: answers.map(toAnswerData) }),
          onRead: (ticket, outcome) => deliver(toReadReply(ticket, outcome)),
          onOrder: (ticket, outcome) => deliver(toOrderReply(ticket, outcome)),
          onEvent: (event) => deliver({ kind: "event", event }),
          onFailure: (error) => deliver({ kind: "failed", error: describeFailure(error) }),
        },
      });
      deliver({ kind: "started", health: this.#node.health() });
      if (this.#stopWanted) this.onMessage({ kind: "stop" });
    } catch (error) {
      deliver({ kind: "start_failed", error: describeFailure(error) });
      const { stateMachine, log } = this.#parts;
      await closeInOrder([() => stateMachine.close(), () => log.close()]).catch(() => {});
      deliver({ kind: "stopped" });
    }
  }

  onMessage(message: ToNode): void {
    const node = this.#node;
    if (node === undefined) {
      if (message.kind === "stop") this.#stopWanted = true;
      return;
    }
    switch (message.kind) {
      case "propose":
        node.propose(toProposals(message));
        return;
      case "read":
        node.read(message.ticket, message.request);
        return;
      case "order":
        node.order(message.ticket, message.order);
        return;
      case "health":
        this.#parts.deliver({ kind: "health", ticket: message.ticket, health: node.health() });
        return;
      case "metrics":
        void this.#answerMetrics(message.ticket);
        return;
      case "stop":
        void this.#stop(node);
        return;
      default:
        unreachable(message);
    }
  }

  async #answerMetrics(ticket: number): Promise<void> {
    const metrics = await this.#parts.readMetrics();
    this.#parts.deliver({ kind: "metrics", ticket, metrics });
  }

  async #stop(node: ReplicationNode<State, I, E>): Promise<void> {
    try {
      await node.stop();
      this.#parts.deliver({ kind: "stopped" });
    } catch (error) {
      this.#parts.deliver({ kind: "stopped", error: describeFailure(error) });
    }
  }
}

function toProposals(message: Extract<ToNode, { readonly kind: "propose" }>): Proposal[] {
  const { firstTicket, packed } = message;
  const proposals = unpackPayloads(packed).map(
    (payload, offset): Proposal => ({ ticket: firstTicket + offset, payload }),
  );
  for (const [at, durability] of packed.wants ?? []) {
    proposals[at] = { ...(proposals[at] as Proposal), durability };
  }
  return proposals;
}

function toReadReply(ticket: number, outcome: Position | ReplicationError): FromNode {
  return outcome instanceof ReplicationError
    ? { kind: "refused", ticket, error: toErrorData(outcome) }
    : { kind: "position", ticket, position: outcome };
}

function toOrderReply(ticket: number, outcome: JsonValue | ReplicationError): FromNode {
  return outcome instanceof ReplicationError
    ? { kind: "refused", ticket, error: toErrorData(outcome) }
    : { kind: "ordered", ticket, result: outcome };
}

function toAnswerData(answer: Answer): AnswerData {
  if ("refused" in answer) return { ticket: answer.ticket, error: toErrorData(answer.refused) };
  const { ticket, result, term, durability } = answer;
  if (result.ok) {
    const { index, replayed, value } = result;
    return { ticket, index, term, durability, replayed, value };
  }
  return { ticket, error: { code: result.code, message: result.message, details: {} } };
}

/** Any error as one of ours; the hint survives, the stack does not. */
export function describeFailure(error: unknown): ErrorData {
  if (error instanceof ReplicationError) return toErrorData(error);
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof LogError ? error.details.hint : undefined;
  const where =
    error instanceof LogError || error instanceof StateMachineError ? `${error.code}: ` : "";
  return { code: "STORAGE_FAILED", message: `${where}${message}`, details: { hint } };
}

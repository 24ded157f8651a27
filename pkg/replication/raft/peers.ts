import type { NodeId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import { OpenQuestions, TAKEN } from "../driver/open-questions.js";
import { Unanswered } from "../driver/unanswered.js";
import { ReplicationError } from "../errors.js";
import type { PeerConnection, PeerMessage, Transport } from "../ports/index.js";
import type { RaftMessage } from "./messages.js";
import { isRaftType, toPeerMessage, toRaftMessage, type WireSender } from "./wire/index.js";

export interface PeersParts {
  readonly transport: Transport;
  readonly own: WireSender;
  readonly clock: Clock;
  /** Longest wait for the answer to one message, in milliseconds. */
  readonly callTimeoutMs: number;
  onMessage(from: NodeId, body: RaftMessage): void;
  onUnreachable(peer: NodeId): void;
  /** Messages that are not raft's own. */
  onRequest(from: NodeId, message: PeerMessage): Promise<PeerMessage>;
}

type AnswerKind =
  | "vote_response"
  | "append_response"
  | "heartbeat_response"
  | "read_index_response";

const ANSWER_TO: Readonly<Partial<Record<RaftMessage["kind"], AnswerKind>>> = {
  vote_request: "vote_response",
  append: "append_response",
  heartbeat: "heartbeat_response",
  read_index: "read_index_response",
};
const ANSWERS: ReadonlySet<string> = new Set(Object.values(ANSWER_TO));

interface Leaving {
  readonly id: NodeId;
  readonly connection: PeerConnection;
  readonly untilMs: number;
}

/**
 * Raft's messages over the transport's calls. A question is a call; what the core says to it, when
 * its disk has it, is the answer to the oldest open question of that kind, and a call of its own
 * when none is open. Which of them it answers does not matter: every message says all it means.
 */
export class RaftPeers {
  readonly #parts: PeersParts;
  readonly #connections = new Map<NodeId, PeerConnection>();
  readonly #addresses = new Map<NodeId, string>();
  readonly #open: OpenQuestions;
  readonly #unanswered = new Unanswered();
  /** Links to former members. */
  #leaving: Leaving[] = [];
  #closed = false;

  constructor(parts: PeersParts) {
    this.#parts = parts;
    this.#open = new OpenQuestions(parts.clock, parts.callTimeoutMs);
  }

  async listen(): Promise<void> {
    await this.#parts.transport.listen((from, message) => this.#onRequest(from, message));
  }

  /**
   * New members are dialled at once. The link to one that is gone is closed a moment later: a
   * leader that was removed has yet to answer the order that removed it.
   */
  setMembers(members: readonly { readonly id: NodeId; readonly address: string }[]): void {
    const wanted = new Map(members.map(({ id, address }) => [id, address]));
    wanted.delete(this.#parts.own.id);
    for (const [id, connection] of this.#connections) {
      if (wanted.get(id) === connection.address) continue;
      this.#connections.delete(id);
      if (wanted.has(id)) void connection.close();
      else this.#leaving.push({ id, connection, untilMs: this.#untilMs() });
    }
    for (const [id, address] of wanted) {
      this.#addresses.set(id, address);
      if (!this.#connections.has(id)) this.connection(id);
    }
  }

  /** A member that comes back keeps its link: the transport has one for each name and address. */
  #returning(id: NodeId, address: string): PeerConnection | undefined {
    const isBack = (one: Leaving) => one.id === id && one.connection.address === address;
    const back = this.#leaving.find(isBack);
    this.#leaving = this.#leaving.filter((one) => one !== back);
    return back?.connection;
  }

  #untilMs(): number {
    return this.#parts.clock.monotonicMs() + this.#parts.callTimeoutMs;
  }

  addressOf(id: NodeId): string | undefined {
    return this.#addresses.get(id);
  }

  isConnected(id: NodeId): boolean {
    return this.#connections.get(id)?.isConnected() ?? false;
  }

  connection(id: NodeId): PeerConnection | undefined {
    const known = this.#connections.get(id);
    const address = this.#addresses.get(id);
    if (known !== undefined || address === undefined || this.#closed) return known;
    const made = this.#returning(id, address) ?? this.#parts.transport.connect({ id, address });
    this.#connections.set(id, made);
    return made;
  }

  /** False while as many entries as are allowed are under way to that peer. */
  hasRoom(to: NodeId): boolean {
    return this.#unanswered.hasRoom(to);
  }

  send(to: NodeId, body: RaftMessage): void {
    const message = toPeerMessage(body, this.#parts.own);
    const isAnswer = ANSWERS.has(body.kind);
    if (isAnswer && this.#open.answer(to, body.kind, message, lastEntry(body))) return;
    const connection = this.connection(to);
    if (connection === undefined) {
      this.#parts.onUnreachable(to);
      return;
    }
    if (body.kind !== "append") {
      void this.#ask(to, connection, message, "urgent");
      return;
    }
    const answered = this.#unanswered.sent(to, body.entries);
    void this.#ask(to, connection, message, "normal", answered);
  }

  /** Open questions end; the transport is closed by its owner. */
  close(): void {
    this.#closed = true;
    this.#open.close();
  }

  /** Drops questions that nobody waits for any more, and links; called now and then. */
  sweep(): void {
    this.#open.sweep();
    const nowMs = this.#parts.clock.monotonicMs();
    for (const { connection, untilMs } of this.#leaving) {
      if (untilMs <= nowMs) void connection.close();
    }
    this.#leaving = this.#leaving.filter(({ untilMs }) => untilMs > nowMs);
  }

  async #ask(
    to: NodeId,
    connection: PeerConnection,
    message: PeerMessage,
    priority: "urgent" | "normal",
    onSettled?: () => void,
  ): Promise<void> {
    const options = { timeoutMs: this.#parts.callTimeoutMs, priority };
    let answer: PeerMessage;
    try {
      answer = await connection.call(message, options);
    } catch {
      onSettled?.();
      if (!this.#closed) this.#parts.onUnreachable(to);
      return;
    }
    onSettled?.();
    if (!this.#closed && isRaftType(answer.type)) this.#receive(to, answer);
  }

  #receive(from: NodeId, message: PeerMessage): RaftMessage | ReplicationError {
    try {
      const body = toRaftMessage(from, message);
      this.#parts.onMessage(from, body);
      return body;
    } catch (error) {
      if (error instanceof ReplicationError) return error;
      throw error;
    }
  }

  #onRequest(from: NodeId, message: PeerMessage): Promise<PeerMessage> {
    if (this.#closed) {
      return Promise.reject(new ReplicationError("SHUTTING_DOWN", "this node is stopping"));
    }
    if (!isRaftType(message.type)) return this.#parts.onRequest(from, message);
    let body: RaftMessage;
    try {
      body = toRaftMessage(from, message);
    } catch (error) {
      return Promise.reject(error);
    }
    const kind = ANSWER_TO[body.kind];
    const answered =
      kind === undefined ? Promise.resolve(TAKEN) : this.#open.ask(from, kind, lastEntry(body));
    this.#parts.onMessage(from, body);
    return answered;
  }
}

/** Last entry that the message brings, or says it has; 0 for any other. */
function lastEntry(body: RaftMessage): number {
  if (body.kind === "append") return body.prevIndex + body.entries.length;
  return body.kind === "append_response" && body.success ? body.matchIndex : 0;
}

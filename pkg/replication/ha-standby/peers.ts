import type { NodeId, Term } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import { OpenQuestions, TAKEN } from "../driver/open-questions.js";
import { Unanswered } from "../driver/unanswered.js";
import { ReplicationError } from "../errors.js";
import type { PeerConnection, PeerMessage, Transport } from "../ports/index.js";
import { MessageType, TransportError } from "../ports/index.js";
import { Legacy, type LegacyParts } from "./legacy.js";
import type { HaMessage, PositionQuery } from "./messages.js";
import {
  type HaSender,
  helloMessage,
  isHaType,
  isHello,
  isOwnMessage,
  senderOf,
  toHaMessage,
  toPeerMessage,
} from "./wire/index.js";

export interface PeerAddress {
  readonly id: NodeId;
  readonly address: string;
}

export interface HaPeersParts extends LegacyParts {
  readonly transport: Transport;
  readonly own: PeerAddress;
  /** The name that this node proves to others. */
  readonly nodeId: NodeId;
  readonly peers: readonly PeerAddress[];
  /**
   * False: the one peer is known by its address alone, and so are all nodes in what they say of
   * each other; whoever proves to be of this cluster is that peer.
   */
  readonly named: boolean;
  /** A peer may be a NornicDB node, which must not be sent what it does not know. */
  readonly open: boolean;
  readonly clock: Clock;
  /** Longest wait for the answer to one message, in milliseconds. */
  readonly callTimeoutMs: number;
  role(): string;
  term(): Term;
  onMessage(from: NodeId, body: HaMessage): void;
  onUnreachable(peer: NodeId): void;
  /** The peer's host refused the connection. */
  onGone(peer: NodeId): void;
  /** Messages that are not a pair's own. */
  onRequest(from: NodeId, message: PeerMessage): Promise<PeerMessage>;
}

const ANSWER_TO: Readonly<Partial<Record<HaMessage["kind"], HaMessage["kind"]>>> = {
  heartbeat: "heartbeat_response",
  wal_batch: "wal_ack",
  position_query: "position_answer",
  fence: "fence_response",
  promote: "promote_response",
};
const ANSWERS: ReadonlySet<string> = new Set(Object.values(ANSWER_TO));

/**
 * The messages of a pair over the transport's calls: a question is a call, and what the core says to
 * it is the answer to the oldest open question of that kind, or a call of its own when none is open.
 */
export class HaPeers {
  readonly #parts: HaPeersParts;
  readonly #connections = new Map<NodeId, PeerConnection>();
  readonly #open: OpenQuestions;
  readonly #legacy: Legacy;
  readonly #unanswered = new Unanswered();
  /** Peers that have shown that they speak our codes, too. */
  readonly #ours = new Set<NodeId>();
  readonly #heardLast = new Map<NodeId, number>();
  readonly #probing = new Set<NodeId>();
  /** A link that waits before it dials again repeats its last error, which proves nothing new. */
  readonly #lastErrors = new Map<NodeId, unknown>();
  /** The name that the peer has in the cluster, where it is known by its address alone. */
  #nameOfPeer: NodeId | undefined;
  #closed = false;

  constructor(parts: HaPeersParts) {
    this.#parts = parts;
    this.#open = new OpenQuestions(parts.clock, parts.callTimeoutMs);
    this.#legacy = new Legacy(parts);
  }

  async listen(): Promise<void> {
    const { transport, peers, named } = this.#parts;
    await transport.listen((from, message) => this.#onRequest(from, message));
    for (const { id, address } of peers) {
      this.#connections.set(id, transport.connect(named ? { id, address } : { address }));
    }
  }

  addressOf(id: NodeId): string | undefined {
    return this.#parts.peers.find((peer) => peer.id === id)?.address;
  }

  /** The name by which people know that node. */
  nameOf(id: NodeId): NodeId {
    const { named, own, nodeId } = this.#parts;
    if (named) return id;
    return id === own.id ? nodeId : (this.#nameOfPeer ?? id);
  }

  /** Undefined: the name is not known yet. */
  knownNameOf(id: NodeId): NodeId | undefined {
    const { named, own } = this.#parts;
    return named || id === own.id ? this.nameOf(id) : this.#nameOfPeer;
  }

  /** Whom people mean by that name: this node, or a peer. */
  idOf(name: NodeId): NodeId {
    const { named, own, nodeId, peers } = this.#parts;
    if (named) return name;
    return name === nodeId ? own.id : (peers[0]?.id ?? name);
  }

  isConnected(id: NodeId): boolean {
    return this.#connections.get(id)?.isConnected() ?? false;
  }

  connection(id: NodeId): PeerConnection | undefined {
    return this.#connections.get(id);
  }

  send(to: NodeId, body: HaMessage): void {
    const unknown = this.#connections.get(to);
    if (body.kind === "position_query" && unknown !== undefined && !this.isOurs(to)) {
      void this.#hello(to, unknown, body);
      return;
    }
    const message = this.#encode(to, body);
    const isAnswer = ANSWERS.has(body.kind);
    if (isAnswer && this.#open.answer(to, body.kind, message, lastEntry(body))) return;
    const connection = this.#connections.get(to);
    // Such a peer takes no answer that it has not asked for.
    if (connection === undefined || (isAnswer && this.#legacy.isLegacy(to))) return;
    const settled = body.kind === "wal_batch" ? this.#unanswered.sent(to, body.entries) : undefined;
    void this.#ask(to, connection, message, body, settled);
  }

  /** HB-51: false while as many entries as are allowed are under way to that peer. */
  hasRoom(to: NodeId): boolean {
    return this.#unanswered.hasRoom(to);
  }

  /**
   * Asks those who are not connected, so that it is known soon when their process is gone, and those
   * who have not shown yet whether they are one of ours.
   */
  probe(): void {
    for (const [id, connection] of this.#connections) {
      const known = this.isOurs(id) || this.#legacy.isLegacy(id);
      if ((connection.isConnected() && known) || this.#probing.has(id)) continue;
      this.#probing.add(id);
      void this.#hello(id, connection).finally(() => this.#probing.delete(id));
    }
  }

  /** The peer is known to speak our codes, too. */
  isOurs(id: NodeId): boolean {
    return !this.#parts.open || this.#ours.has(id);
  }

  /** @param query - to be put in the words that the peer understands */
  async #hello(to: NodeId, connection: PeerConnection, query?: PositionQuery): Promise<void> {
    const { log, callTimeoutMs } = this.#parts;
    const message = helloMessage(this.#sender(to), log.last.index);
    try {
      const options = { timeoutMs: callTimeoutMs, priority: "urgent" as const };
      const answer = await connection.call(message, options);
      if (this.#closed) return;
      this.#provenOf(to, senderOf(answer));
      if (isHello(answer)) {
        this.#ours.add(to);
        if (query !== undefined) this.send(to, query);
        return;
      }
      const position = this.#legacy.positionOf(to, query?.id ?? 0, answer);
      if (query !== undefined) this.#parts.onMessage(to, position);
    } catch (error) {
      if (!(error instanceof ReplicationError)) this.#onLost(to, error);
    }
  }

  /** Drops questions that nobody waits for any more; called now and then. */
  sweep(): void {
    this.#open.sweep();
  }

  /** Open questions end; the transport is closed by its owner. */
  close(): void {
    this.#closed = true;
    this.#open.close();
  }

  #encode(to: NodeId, body: HaMessage): PeerMessage {
    const isPlain = body.kind === "wal_batch" && this.#legacy.isLegacy(to);
    return toPeerMessage(isPlain ? this.#legacy.plain(body) : body, this.#sender(to));
  }

  #sender(to: NodeId): HaSender {
    const { nodeId, role, clock } = this.#parts;
    const heardLast = this.#heardLast.get(to) ?? 0;
    return { id: nodeId, role: role(), wallMs: clock.wallMs(), heardLast };
  }

  async #ask(
    to: NodeId,
    connection: PeerConnection,
    message: PeerMessage,
    body: HaMessage,
    onSettled?: () => void,
  ): Promise<void> {
    const priority = body.kind === "wal_batch" ? ("normal" as const) : ("urgent" as const);
    let answer: PeerMessage;
    try {
      answer = await connection.call(message, { timeoutMs: this.#parts.callTimeoutMs, priority });
    } catch (error) {
      onSettled?.();
      this.#onLost(to, error);
      return;
    }
    onSettled?.();
    if (this.#closed || !isHaType(answer.type)) return;
    try {
      const isOwn = isOwnMessage(answer);
      if (isOwn) this.#ours.add(to);
      const said = isOwn
        ? toHaMessage(to, answer, this.#provenOf(to, senderOf(answer)))
        : this.#legacy.answerOf(to, body, answer);
      if (said !== undefined) this.#parts.onMessage(to, said);
    } catch (error) {
      if (!(error instanceof ReplicationError)) throw error;
    }
  }

  #onLost(peer: NodeId, error: unknown): void {
    if (this.#closed) return;
    const isNew = this.#lastErrors.get(peer) !== error;
    this.#lastErrors.set(peer, error);
    if (isNew && isRefusedConnection(error)) this.#parts.onGone(peer);
    else this.#parts.onUnreachable(peer);
  }

  /** Who is known by address alone says its name. */
  #provenOf(to: NodeId, name: NodeId | undefined): NodeId | null {
    if (this.#parts.named) return to;
    if (name !== undefined) this.#nameOfPeer = name;
    return null;
  }

  /** The configured name of who speaks; undefined: nobody of this pair. */
  #idOf(from: NodeId): NodeId | undefined {
    const { named, peers } = this.#parts;
    if (named) return peers.find(({ id }) => id === from)?.id;
    this.#nameOfPeer = from;
    return peers[0]?.id;
  }

  async #onRequest(name: NodeId, message: PeerMessage): Promise<PeerMessage> {
    if (this.#closed) throw new ReplicationError("SHUTTING_DOWN", "this node is stopping");
    const from = this.#idOf(name);
    if (from === undefined) {
      throw new ReplicationError("FORBIDDEN", `${name} is not one of this node's peers`, {
        field: "NORNICDB_CLUSTER_HA_PEERS",
      });
    }
    if (!isHaType(message.type)) return this.#parts.onRequest(from, message);
    if (isHello(message)) return this.#greeted(from);
    const isOwn = isOwnMessage(message);
    if (isOwn) this.#ours.add(from);
    const body = isOwn
      ? toHaMessage(from, message, this.#parts.named ? from : null)
      : this.#legacy.read(message, this.#parts.term());
    if (!("kind" in body)) return this.#named(body);
    if (body.kind === "heartbeat") this.#heardLast.set(from, body.last.index);
    const kind = ANSWER_TO[body.kind];
    if (kind === undefined) {
      this.#parts.onMessage(from, body);
      return TAKEN;
    }
    const answered = this.#open.ask(from, kind, lastEntry(body));
    this.#parts.onMessage(from, body);
    if (isOwn) return answered;
    const standing = () => this.#standing(message);
    return answered.then((answer) => (answer === TAKEN ? standing() : answer), standing);
  }

  #greeted(from: NodeId): PeerMessage {
    this.#ours.add(from);
    const { type, payload } = this.#named(this.#legacy.standing(0));
    return { type, payload: { ...(payload as object), x: { hello: true } } as never };
  }

  /** A peer without correlation ids must get the answer of its code, whatever happens here. */
  #standing(message: PeerMessage): PeerMessage {
    if (message.type === MessageType.walBatch) return this.#legacy.positions();
    return this.#named(this.#legacy.standing(0));
  }

  #named(answer: PeerMessage): PeerMessage {
    if (answer.type !== MessageType.heartbeatResponse) return answer;
    const payload = { ...(answer.payload as object), NodeID: this.#parts.nodeId };
    return { type: answer.type, payload: { ...payload, Role: this.#parts.role() } as never };
  }
}

/** Last entry that a batch brings, or that its answer covers; 0 for any other message. */
function lastEntry(body: HaMessage): number {
  if (body.kind === "wal_batch") return body.prev.index + body.entries.length;
  return body.kind === "wal_ack" ? body.received : 0;
}

function isRefusedConnection(error: unknown): boolean {
  if (!(error instanceof TransportError) || error.code !== "DISCONNECTED") return false;
  const cause = error.cause as { readonly code?: unknown } | undefined;
  return cause?.code === "ECONNREFUSED";
}

import { type NodeId, parseNodeId } from "../../base/index.js";
import type { PeerMessage, RequestHandler } from "../../replication/ports/index.js";
import { MessageType } from "../codec/codes.js";
import { decodeEnvelope, type Envelope } from "../codec/envelope.js";
import type { TransportContext } from "./context.js";
import type { Session } from "./handshake.js";
import { encodeForLink, type Link } from "./link.js";

const LEGACY_PEER = parseNodeId("legacy-peer") as NodeId;

/** Serves the requests of one accepted connection; every request is answered. */
export class Inbound {
  readonly #context: TransportContext;
  readonly #link: Link;
  readonly #handler: RequestHandler;
  readonly #session: Session | undefined;
  #running = 0;
  /** The answer before, for a peer that can only take them in order. */
  #previous: Promise<void> = Promise.resolve();

  constructor(
    context: TransportContext,
    link: Link,
    handler: RequestHandler,
    session: Session | undefined,
  ) {
    this.#context = context;
    this.#link = link;
    this.#handler = handler;
    this.#session = session;
  }

  serve(onClose: () => void, first?: Envelope): void {
    if (first !== undefined) this.#onRequest(first);
    this.#link.open({ onBody: (json) => this.#onBody(json), onClose }, this.#session?.macs);
  }

  #onBody(json: Uint8Array): void {
    let request: Envelope;
    try {
      request = decodeEnvelope(json);
    } catch (error) {
      this.#link.reject("bad_frame", (error as Error).message);
      return;
    }
    this.#onRequest(request);
  }

  #onRequest(request: Envelope): void {
    if (this.#session === undefined) {
      if (request.type !== 0) this.#serveInOrder(request);
    } else if (request.type === MessageType.ping) {
      this.#link.send(encodeForLink({ type: MessageType.pong, payload: null }));
    } else if (request.id === undefined) {
      this.#link.reject("protocol", "a request without correlation id");
    } else void this.#serveAtOnce(request, this.#session.peer);
  }

  async #serveAtOnce(request: Envelope, from: NodeId): Promise<void> {
    const answer = await this.#handle(request, from);
    this.#reply({ ...answer, ...(request.id === undefined ? {} : { id: request.id }) });
  }

  #serveInOrder(request: Envelope): void {
    const from = parseNodeId(request.nodeId ?? "") ?? LEGACY_PEER;
    const before = this.#previous;
    const answer = this.#handle(request, from, before);
    this.#previous = (async () => {
      const message = await answer;
      const id = request.id === undefined ? {} : { id: request.id };
      this.#reply({ ...message, ...id });
    })();
  }

  async #handle(request: Envelope, from: NodeId, before?: Promise<void>): Promise<PeerMessage> {
    if (this.#running >= this.#context.limits.inboundCallsMax) {
      return failure("BACKPRESSURE", "too many requests in the handler");
    }
    this.#running += 1;
    try {
      await before;
      return await this.#handler(from, { type: request.type, payload: request.payload ?? null });
    } catch (error) {
      const { code, message } = error as { code?: unknown; message?: unknown };
      return failure(typeof code === "string" ? code : "FAILED", String(message));
    } finally {
      this.#running -= 1;
    }
  }

  #reply(answer: Envelope): void {
    if (this.#link.closed) return;
    let frame: Buffer;
    try {
      frame = encodeForLink(answer);
    } catch (error) {
      const id = answer.id === undefined ? {} : { id: answer.id };
      frame = encodeForLink({ ...failure("INVALID", (error as Error).message), ...id });
    }
    if (this.#link.unsentBytes + frame.length > this.#context.limits.queueBytesMax) {
      this.#link.reject("send_queue_full", "the peer does not read its answers");
      return;
    }
    this.#link.send(frame);
  }

  close(reason: string): void {
    this.#link.close(reason);
  }
}

function failure(code: string, message: string): PeerMessage {
  return { type: MessageType.error, payload: { code, message } };
}

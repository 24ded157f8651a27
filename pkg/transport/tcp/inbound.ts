import { type NodeId, parseNodeId } from "../../base/index.js";
import type { PeerMessage, RequestHandler } from "../../replication/ports/index.js";
import { isTransportType, MessageType, messageName } from "../codec/codes.js";
import { decodeEnvelope, type Envelope } from "../codec/envelope.js";
import { FRAME_BYTES_MAX } from "../frame/frame-parser.js";
import type { TransportContext } from "./context.js";
import { bodyOf, encodeForLink, type Link, type Seals } from "./link.js";

const LEGACY_PEER = parseNodeId("legacy-peer") as NodeId;

interface Call {
  readonly request: Envelope;
  readonly bytes: number;
  readonly from: NodeId;
}

/** Serves the requests of one accepted connection; every request is answered. */
export class Inbound {
  readonly #context: TransportContext;
  readonly #link: Link;
  readonly #handler: RequestHandler;
  readonly #peer: NodeId | undefined;
  readonly #cluster: string;
  #running = 0;
  #runningBytes = 0;
  /** The answer before, for a peer that can only take them in order. */
  #previous: Promise<void> = Promise.resolve();

  /** Without a `session` it is a peer that knows no handshake. */
  constructor(
    context: TransportContext,
    link: Link,
    handler: RequestHandler,
    session?: { readonly peer: NodeId; readonly cluster: string },
  ) {
    this.#context = context;
    this.#link = link;
    this.#handler = handler;
    this.#peer = session?.peer;
    this.#cluster = session?.cluster ?? context.options.clusterId;
  }

  serve(seals: Seals | undefined, first?: Uint8Array): void {
    if (first !== undefined) this.#onBody(first);
    this.#link.open({ onBody: (json) => this.#onBody(json) }, seals);
  }

  #onBody(json: Uint8Array): void {
    let request: Envelope;
    try {
      request = decodeEnvelope(json);
    } catch (error) {
      this.#link.reject("bad_frame", (error as Error).message);
      return;
    }
    const call = { request, bytes: json.length, from: this.#peer ?? LEGACY_PEER };
    if (this.#peer === undefined) {
      if (request.type !== 0) this.#serveInOrder(call);
    } else if (request.type === MessageType.ping) {
      this.#link.send(encodeForLink({ type: MessageType.pong, payload: null }));
    } else if (request.id === undefined || isTransportType(request.type)) {
      this.#link.reject("protocol", `no request: ${messageName(request.type)}`);
    } else void this.#serveAtOnce(call);
  }

  async #serveAtOnce(call: Call): Promise<void> {
    this.#reply(call, await this.#handle(call));
  }

  #serveInOrder(call: Call): void {
    const before = this.#previous;
    const from = parseNodeId(call.request.nodeId ?? "") ?? call.from;
    const answer = this.#handle({ ...call, from }, before);
    this.#previous = (async () => {
      await before;
      this.#reply(call, await answer);
    })();
  }

  async #handle(call: Call, before?: Promise<void>): Promise<PeerMessage> {
    const { inboundCallsMax, inboundBytesMax } = this.#context.limits;
    const { request, bytes, from } = call;
    const fits = this.#running === 0 || this.#runningBytes + bytes <= inboundBytesMax;
    if (this.#running >= inboundCallsMax || !fits) {
      return failure("BACKPRESSURE", "too many requests in the handler");
    }
    this.#running += 1;
    this.#runningBytes += bytes;
    try {
      if (before !== undefined) await before;
      const message = { type: request.type, payload: request.payload ?? null };
      return await this.#handler(from, message, this.#cluster);
    } catch (error) {
      const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
      return failure(typeof code === "string" ? code : "FAILED", String(message));
    } finally {
      this.#running -= 1;
      this.#runningBytes -= bytes;
    }
  }

  #reply({ request }: Call, answer: PeerMessage): void {
    if (this.#link.closed) return;
    const frame = encodeAnswer(answer, request.id);
    if (this.#link.unsentBytes + frame.length > this.#context.limits.queueBytesMax) {
      this.#link.reject("send_queue_full", "the peer does not read its answers");
      return;
    }
    this.#link.send(frame);
  }
}

/** A handler's answer that no frame can hold becomes an error: the caller hears of it in any case. */
function encodeAnswer(answer: PeerMessage, id: number | undefined): Buffer {
  const envelope = ({ type, payload }: PeerMessage): Envelope =>
    id === undefined ? { type, payload } : { type, id, payload };
  try {
    const frame = encodeForLink(envelope(answer));
    if (bodyOf(frame).length <= FRAME_BYTES_MAX) return frame;
    return encodeForLink(envelope(failure("INVALID", "the answer is larger than 64 MiB")));
  } catch (error) {
    return encodeForLink(envelope(failure("INVALID", (error as Error).message)));
  }
}

function failure(code: string, message: string): PeerMessage {
  return { type: MessageType.error, payload: { code, message } };
}

import type { NodeId } from "../../base/index.js";
import {
  type CallOptions,
  type PeerMessage,
  TransportError,
} from "../../replication/ports/index.js";
import type { Cancel } from "../../runtime/index.js";
import { CodecError } from "../codec/codec-error.js";
import { MessageType, messageName } from "../codec/codes.js";
import { decodeEnvelope, type Envelope } from "../codec/envelope.js";
import { FRAME_BYTES_MAX } from "../frame/frame-parser.js";
import { parseAddress } from "./address.js";
import type { TransportContext } from "./context.js";
import { dialHandshake, type LaneName, type Session } from "./handshake.js";
import { bodyOf, encodeForLink, Link } from "./link.js";
import { isTlsFailure } from "./tls-failure.js";

interface PendingCall {
  readonly id: number;
  readonly frame: Buffer;
  readonly deadlineMs: number;
  readonly what: string;
  readonly resolve: (message: PeerMessage) => void;
  readonly reject: (error: TransportError) => void;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  sent: boolean;
}

export interface LaneTarget {
  readonly address: string;
  readonly peer: NodeId | undefined;
  readonly lane: LaneName;
  readonly instance: string;
}

type State = "idle" | "dialing" | "ready" | "waiting" | "closed";

/** One connection that this node dials, dials again, and sends its requests of one priority over. */
export class Lane {
  readonly #context: TransportContext;
  readonly #target: LaneTarget;
  #state: State = "idle";
  #link: Link | undefined;
  #legacy = false;
  /** The peer has greeted once: when it is silent later it hangs, and is no NornicDB node. */
  #greeted = false;
  /** Attempts, since a link last lived for a ping interval. */
  #failures = 0;
  #lastError = new TransportError("DISCONNECTED", "not connected yet");
  #retry: Cancel | undefined;
  #nextId = 1;
  readonly #calls = new Map<number, PendingCall>();
  #unsent: PendingCall[] = [];
  #unsentBytes = 0;
  #inFlight = 0;
  #sweep: { readonly atMs: number; readonly cancel: Cancel } | undefined;

  constructor(context: TransportContext, target: LaneTarget) {
    this.#context = context;
    this.#target = target;
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  get pendingCalls(): number {
    return this.#calls.size;
  }

  /** Dials unless that is under way already. */
  start(): void {
    if (this.#state !== "idle") return;
    this.#state = "dialing";
    void this.#dial();
  }

  async #dial(): Promise<void> {
    try {
      const link = await this.#connect();
      this.#ready(link, await this.#greet(link));
    } catch (error) {
      this.#lost(error instanceof TransportError ? error : this.#unreachable(error as Error));
    }
  }

  #unreachable(cause: Error): TransportError {
    const text = this.#text(cause.message);
    if (!isTlsFailure(cause)) return new TransportError("DISCONNECTED", text, {}, { cause });
    this.#context.rejected("tls", this.#target.address, cause.message);
    return new TransportError("REFUSED", text, { reason: "tls" }, { cause });
  }

  async #connect(): Promise<Link> {
    const { network } = this.#context.options;
    const { connectTimeoutMs, handshakeTimeoutMs } = this.#context.limits;
    const timeoutMs = connectTimeoutMs ?? handshakeTimeoutMs;
    const tls = this.#context.tls;
    const stream = await network.connect(parseAddress(this.#target.address), { timeoutMs, tls });
    const link = new Link(this.#context, stream);
    this.#link = link;
    if (this.#state === "closed") link.close("closed here");
    return link;
  }

  /** A peer that stays silent after the greeting is a NornicDB node, where those are served. */
  async #greet(link: Link): Promise<Session | undefined> {
    let silent = false;
    const { timers, legacyPeers } = this.#context.options;
    const mayBeLegacy = legacyPeers === true && !this.#greeted;
    const cancel = timers.after(this.#context.limits.handshakeTimeoutMs, () => {
      silent = true;
      if (!mayBeLegacy) {
        this.#context.rejected(
          "handshake_timeout",
          link.remote,
          "the peer did not finish the handshake",
        );
      }
      link.close("handshake timed out");
    });
    try {
      const session = await dialHandshake(this.#context, link, this.#target);
      this.#greeted = true;
      return session;
    } catch (error) {
      if (silent && mayBeLegacy) return undefined;
      if (!silent) throw error;
      const details = { reason: "handshake_timeout" };
      throw new TransportError("REFUSED", this.#text("the handshake timed out"), details);
    } finally {
      cancel();
    }
  }

  #ready(link: Link, session: Session | undefined): void {
    if (session === undefined) {
      this.#legacy = true;
      void this.#connect().then(
        (fresh) => this.#open(fresh, undefined),
        (error: Error) => this.#lost(this.#unreachable(error)),
      );
      return;
    }
    this.#legacy = false;
    this.#open(link, session);
  }

  #open(link: Link, session: Session | undefined): void {
    if (this.#state === "closed" || link.closed) {
      this.#lost(new TransportError("DISCONNECTED", this.#text(link.closedBy)));
      return;
    }
    this.#state = "ready";
    const onInterval = (quiet: boolean) => {
      this.#failures = 0;
      if (quiet && !this.#legacy)
        link.send(encodeForLink({ type: MessageType.ping, payload: null }));
    };
    link.whenClosed((reason) => this.#lost(new TransportError("DISCONNECTED", this.#text(reason))));
    link.open({ onBody: (json) => this.#onBody(link, json), onInterval }, session?.seals);
    this.#pump();
  }

  #text(reason: string): string {
    return `${this.#target.address} (${this.#target.lane}): ${reason}`;
  }

  /** Everything that waited fails now; the next attempt comes after a growing, jittered delay. */
  #lost(error: TransportError): void {
    this.#lastError = error;
    for (const call of [...this.#calls.values()]) this.#settle(call, error);
    if (this.#state === "closed") return;
    this.#state = "waiting";
    const { backoffMinMs, backoffMaxMs } = this.#context.limits;
    const ceiling = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failures, 20));
    this.#failures += 1;
    const half = Math.max(1, Math.floor(ceiling / 2));
    const delayMs = ceiling - half + this.#context.options.random.below(half + 1);
    this.#retry = this.#context.options.timers.after(delayMs, () => {
      this.#state = "idle";
      this.start();
    });
  }

  call(message: PeerMessage, options: CallOptions): Promise<PeerMessage> {
    if (this.#state === "closed" || this.#state === "waiting")
      return Promise.reject(this.#lastError);
    if (options.signal?.aborted) return Promise.reject(aborted(options.signal));
    if (this.#calls.size >= this.#context.limits.callsMax) {
      return Promise.reject(
        new TransportError("BACKPRESSURE", this.#text("too many calls in flight")),
      );
    }
    const id = this.#nextId;
    let frame: Buffer;
    try {
      frame = this.#encode(message, id);
    } catch (error) {
      return Promise.reject(error);
    }
    const queued = this.#unsentBytes + (this.#link?.unsentBytes ?? 0);
    if (queued + frame.length > this.#context.limits.queueBytesMax) {
      return Promise.reject(
        new TransportError("BACKPRESSURE", this.#text("the send queue is full")),
      );
    }
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#context.options.clock.monotonicMs() + options.timeoutMs;
      const { signal } = options;
      const onAbort = () => this.#abandon(id, aborted(signal));
      const what = messageName(message.type);
      const call = { id, frame, deadlineMs, what, resolve, reject, signal, onAbort, sent: false };
      this.#calls.set(id, call);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#unsent.push(call);
      this.#unsentBytes += frame.length;
      this.#armSweep(deadlineMs);
      if (this.#state === "ready") this.#pump();
      else this.start();
    });
  }

  #encode(message: PeerMessage, id: number): Buffer {
    try {
      const frame = encodeForLink({ type: message.type, id, payload: message.payload });
      if (bodyOf(frame).length <= FRAME_BYTES_MAX) return frame;
      throw new CodecError("UNENCODABLE", `${messageName(message.type)} is larger than 64 MiB`);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      throw new TransportError("INVALID", error.message, {}, { cause: error });
    }
  }

  #pump(): void {
    const link = this.#link;
    if (this.#state !== "ready" || link === undefined) return;
    let sent = 0;
    for (const call of this.#unsent) {
      if (this.#legacy && this.#inFlight > 0) break;
      sent += 1;
      this.#unsentBytes -= call.frame.length;
      if (!this.#calls.has(call.id)) continue;
      this.#inFlight += 1;
      call.sent = true;
      link.send(call.frame);
    }
    this.#unsent = sent === this.#unsent.length ? [] : this.#unsent.slice(sent);
  }

  #onBody(link: Link, json: Uint8Array): void {
    let answer: Envelope;
    try {
      answer = decodeEnvelope(json);
    } catch (error) {
      link.reject("bad_frame", (error as Error).message);
      return;
    }
    if (answer.type === MessageType.pong) return;
    const id = answer.id ?? (this.#legacy ? this.#oldestInFlight() : undefined);
    const call = id === undefined ? undefined : this.#calls.get(id);
    if (call === undefined) return;
    if (answer.type === MessageType.error) this.#settle(call, remoteError(call, answer));
    else this.#settle(call, { type: answer.type, payload: answer.payload ?? null });
    if (this.#legacy) this.#pump();
  }

  #oldestInFlight(): number | undefined {
    return this.#inFlight > 0 ? this.#calls.keys().next().value : undefined;
  }

  #settle(call: PendingCall, outcome: PeerMessage | TransportError): void {
    this.#calls.delete(call.id);
    call.signal?.removeEventListener("abort", call.onAbort);
    if (this.#calls.size === 0) this.#reset();
    else if (call.sent) this.#inFlight -= 1;
    if (outcome instanceof TransportError) call.reject(outcome);
    else call.resolve(outcome);
  }

  #reset(): void {
    this.#inFlight = 0;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  /** Without correlation ids a late answer would reach the next caller: that link is given up. */
  #abandon(id: number, error: TransportError): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#settle(call, error);
    if (this.#legacy && call.sent) this.#link?.close("an answer is overdue");
  }

  #armSweep(deadlineMs: number): void {
    if (this.#sweep !== undefined && this.#sweep.atMs <= deadlineMs) return;
    this.#sweep?.cancel();
    const { clock, timers } = this.#context.options;
    const cancel = timers.after(Math.max(0, deadlineMs - clock.monotonicMs()), () =>
      this.#sweepCalls(),
    );
    this.#sweep = { atMs: deadlineMs, cancel };
  }

  #sweepCalls(): void {
    this.#sweep = undefined;
    const nowMs = this.#context.options.clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of [...this.#calls.values()]) {
      if (call.deadlineMs > nowMs) nextMs = Math.min(nextMs, call.deadlineMs);
      else
        this.#abandon(
          call.id,
          new TransportError("TIMEOUT", this.#text(`no answer to ${call.what}`)),
        );
    }
    if (this.#calls.size > 0 && nextMs < Number.POSITIVE_INFINITY) this.#armSweep(nextMs);
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#retry?.();
    const error = new TransportError("DISCONNECTED", this.#text("closed here"));
    this.#link?.close("closed here");
    this.#lost(error);
  }
}

function aborted(signal: AbortSignal | undefined): TransportError {
  return new TransportError("ABORTED", "the caller gave up", {}, { cause: signal?.reason });
}

function remoteError(call: PendingCall, answer: Envelope): TransportError {
  const fields = (answer.payload ?? {}) as { code?: unknown; message?: unknown };
  const remoteCode = String(fields.code ?? "FAILED");
  if (remoteCode === "BACKPRESSURE") {
    return new TransportError("BACKPRESSURE", "the peer is busy", { remoteCode });
  }
  const text = `${call.what}: ${String(fields.message ?? "failed")}`;
  return new TransportError("REMOTE", text, { remoteCode });
}

import type { Cancel, Stream } from "../../runtime/index.js";
import { type Envelope, encodeFrame } from "../codec/envelope.js";
import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameParser,
  writeFrameHeader,
} from "../frame/frame-parser.js";
import type { RejectReason, TransportContext } from "./context.js";
import { type FrameMac, MAC_BYTES } from "./frame-mac.js";

const PIECE_BYTES_MAX = 128 * 1024;
const HANDSHAKE_FRAME_BYTES_MAX = 16 * 1024;
const HANDSHAKE_FRAMES_MAX = 8;
/** A NornicDB peer greets nobody: its first requests may all be here before they are looked at. */
const LEGACY_FRAMES_MAX = 1024;
const SILENT_INTERVALS_MAX = 3;

/** @returns a whole frame without its length and MAC, for `Link.send` */
export function encodeForLink(message: Envelope): Buffer {
  return encodeFrame(message, MAC_BYTES);
}

export interface LinkHandlers {
  onBody(json: Uint8Array): void;
  /** Called once, when the link is gone. */
  onClose(reason: string): void;
  /** Called once each ping interval. */
  onInterval?(): void;
}

/** Frames over one stream: joined writes, MACs, a bounded queue, and a check that it is alive. */
export class Link {
  readonly remote: string;
  readonly peerNames: readonly string[];
  readonly #context: TransportContext;
  readonly #stream: Stream;
  readonly #parser: FrameParser;
  #inbox: Uint8Array[] = [];
  #handlers: LinkHandlers | undefined;
  #sealing: FrameMac | undefined;
  #opening: FrameMac | undefined;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #writable = true;
  #flush: Cancel | undefined;
  #interval: Cancel | undefined;
  #silentIntervals = 0;
  #heard = false;
  #lastPendingBytes = 0;
  #closedBy: string | undefined;
  #wake: (() => void) | undefined;

  constructor(context: TransportContext, stream: Stream) {
    this.#context = context;
    this.#stream = stream;
    this.remote = stream.remote;
    this.peerNames = stream.peerNames;
    const open = context.options.legacyPeers === true;
    this.#parser = new FrameParser(open ? FRAME_BYTES_MAX : HANDSHAKE_FRAME_BYTES_MAX);
    stream.start({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => {
        this.#writable = true;
        this.#write();
      },
      onClose: (error) => this.#gone(error === undefined ? "the peer closed" : error.message),
    });
  }

  get closed(): boolean {
    return this.#closedBy !== undefined;
  }

  get closedBy(): string {
    return this.#closedBy ?? "";
  }

  get unsentBytes(): number {
    return this.#queuedBytes + this.#stream.pendingBytes;
  }

  /** @returns the next frame of the handshake, or undefined once the link is gone */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#inbox.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#inbox.shift();
  }

  /** From here on frames carry MACs, when keys are given, and go to `handlers`. */
  open(handlers: LinkHandlers, macs: { sealing: FrameMac; opening: FrameMac } | undefined): void {
    this.#sealing = macs?.sealing;
    this.#opening = macs?.opening;
    this.#parser.bytesMax = FRAME_BYTES_MAX;
    this.#handlers = handlers;
    const early = this.#inbox;
    this.#inbox = [];
    for (const body of early) this.#deliver(body);
    if (this.closed) handlers.onClose(this.closedBy);
    else this.#startInterval();
  }

  #startInterval(): void {
    const { timers } = this.#context.options;
    this.#interval = timers.after(this.#context.limits.pingIntervalMs, () => {
      this.#checkAlive();
      if (this.closed) return;
      this.#startInterval();
      this.#handlers?.onInterval?.();
    });
  }

  /** Bytes received, or bytes that the system took, are a sign of life. */
  #checkAlive(): void {
    const pending = this.unsentBytes;
    const moved = this.#heard || pending < this.#lastPendingBytes;
    this.#silentIntervals = moved ? 0 : this.#silentIntervals + 1;
    this.#heard = false;
    this.#lastPendingBytes = pending;
    if (this.#silentIntervals >= SILENT_INTERVALS_MAX) this.close("no sign of life");
  }

  #onData(bytes: Uint8Array): void {
    this.#heard = true;
    try {
      this.#parser.push(bytes, (body) => this.#deliver(body));
    } catch (error) {
      this.reject("bad_frame", (error as Error).message);
    }
  }

  #deliver(body: Uint8Array): void {
    if (this.closed) return;
    if (this.#handlers === undefined) {
      this.#inbox.push(body);
      const legacy = this.#context.options.legacyPeers === true;
      if (this.#inbox.length > (legacy ? LEGACY_FRAMES_MAX : HANDSHAKE_FRAMES_MAX))
        this.reject("protocol", "frames before the handshake");
      this.#wake?.();
      return;
    }
    const json = this.#opening === undefined ? body : this.#opening.open(body);
    if (json === undefined) this.reject("bad_mac", "a frame with a wrong MAC");
    else this.#handlers.onBody(json);
  }

  /** Seals and queues a frame made by `encodeForLink`; what was queued is written in this order. */
  send(frame: Buffer): void {
    if (this.closed) return;
    const whole = this.#finish(frame);
    this.#queue.push(whole);
    this.#queuedBytes += whole.length;
    if (this.#writable) this.#flush ??= this.#context.options.timers.soon(() => this.#write());
  }

  /** Small frames go out together, large ones in pieces, as long as the system takes them. */
  #write(): void {
    this.#flush = undefined;
    let at = 0;
    while (at < this.#queue.length && this.#writable && !this.closed) {
      let frame = this.#queue[at] as Buffer;
      const start = at;
      let bytes = 0;
      while (at < this.#queue.length && bytes + frame.length <= PIECE_BYTES_MAX) {
        bytes += frame.length;
        at += 1;
        frame = this.#queue[at] ?? frame;
      }
      const count = at - start;
      const piece =
        count === 0
          ? frame.subarray(0, PIECE_BYTES_MAX)
          : count === 1
            ? (this.#queue[start] as Buffer)
            : Buffer.concat(this.#queue.slice(start, at), bytes);
      if (count === 0) this.#queue[at] = frame.subarray(PIECE_BYTES_MAX);
      this.#queuedBytes -= piece.length;
      this.#writable = this.#stream.write(piece);
    }
    if (!this.closed) this.#queue = this.#queue.slice(at);
  }

  #finish(frame: Buffer): Buffer {
    const whole = this.#sealing === undefined ? frame.subarray(0, frame.length - MAC_BYTES) : frame;
    writeFrameHeader(whole, whole.length - FRAME_HEADER_BYTES);
    this.#sealing?.seal(whole.subarray(FRAME_HEADER_BYTES));
    return whole;
  }

  /** Closes, with the reason counted and logged. */
  reject(reason: RejectReason, message: string): void {
    if (this.closed) return;
    this.#context.rejected(reason, this.remote, message);
    this.close(message);
  }

  /** Closes after `delayMs`, so that what was sent last can arrive; the peer usually closes first. */
  closeAfter(delayMs: number, reason: string): void {
    this.#context.options.timers.after(delayMs, () => this.close(reason));
  }

  close(reason: string): void {
    if (this.closed) return;
    this.#gone(reason);
    this.#stream.destroy();
  }

  #gone(reason: string): void {
    if (this.closed) return;
    this.#closedBy = reason;
    this.#parser.stop();
    this.#flush?.();
    this.#interval?.();
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#inbox = [];
    this.#wake?.();
    this.#handlers?.onClose(reason);
  }
}

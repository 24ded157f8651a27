import type { Cancel, Stream } from "../../runtime/index.js";
import { type Envelope, encodeFrame } from "../codec/envelope.js";
import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameError,
  FrameParser,
  writeFrameHeader,
} from "../frame/frame-parser.js";
import type { RejectReason, TransportContext } from "./context.js";
import { type Seal, TAG_BYTES } from "./seal.js";
import { isTlsFailure } from "./tls-failure.js";

/** Frames up to this size in sum travel in one write, larger ones in pieces of it. */
const PIECE_BYTES_MAX = 128 * 1024;
/** Waiting for more to send beside this much would only leave the peer idle. */
const WRITE_NOW_BYTES = 16 * 1024;
const HANDSHAKE_FRAME_BYTES_MAX = 16 * 1024;
const HANDSHAKE_FRAMES_MAX = 8;
/** A NornicDB peer greets nobody: its first requests may all be here before they are looked at. */
const LEGACY_FRAMES_MAX = 1024;
const SILENT_INTERVALS_MAX = 3;
const RECORD_BYTES_MAX = FRAME_HEADER_BYTES + FRAME_BYTES_MAX + TAG_BYTES;
const NOTHING = Buffer.alloc(0);

/** @returns a frame with room around it to become a sealed record, for `Link.send` */
export function encodeForLink(message: Envelope): Buffer {
  return encodeFrame(message, { before: FRAME_HEADER_BYTES, after: TAG_BYTES });
}

/** @returns the JSON of a frame that `encodeForLink` made */
export function bodyOf(frame: Buffer): Buffer {
  return frame.subarray(2 * FRAME_HEADER_BYTES, frame.length - TAG_BYTES);
}

/** @returns bytes on the wire, without those of the record */
function wireBytes(frame: Buffer): number {
  return frame.length - FRAME_HEADER_BYTES - TAG_BYTES;
}

export interface LinkHandlers {
  onBody(json: Uint8Array): void;
  /** Called once each ping interval; `quiet`: not both sides have sent something in it. */
  onInterval?(quiet: boolean): void;
}

export interface Seals {
  readonly sealing: Seal;
  readonly opening: Seal;
}

/** Frames over one stream: joined writes, seals, and a check that the peer is alive. */
export class Link {
  readonly remote: string;
  readonly peerNames: readonly string[];
  readonly #context: TransportContext;
  readonly #pingIntervalMs: number;
  readonly #stream: Stream;
  readonly #onClose: ((reason: string) => void)[] = [];
  readonly #parser: FrameParser;
  readonly #recordParser = new FrameParser();
  #inbox: Uint8Array[] = [];
  #handlers: LinkHandlers | undefined;
  #seals: Seals | undefined;
  /** Frames not begun; `#rest` is what is left of the piece of the stream before them. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #rest: Buffer = NOTHING;
  #writtenBytes = 0;
  #writable = true;
  #flushing = false;
  #timer: Cancel | undefined;
  #silentIntervals = 0;
  #heard = false;
  #takenBytes = 0;
  /** What was written when the interval began. */
  #sentBytes = 0;
  #wasFull = false;
  #closedBy: string | undefined;
  #endedByTls = false;
  #wake: (() => void) | undefined;

  constructor(
    context: TransportContext,
    stream: Stream,
    pingIntervalMs = context.limits.pingIntervalMs,
  ) {
    this.#pingIntervalMs = pingIntervalMs;
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
      onClose: (error) => {
        this.#endedByTls = isTlsFailure(error);
        this.#gone(error === undefined ? "the peer closed" : error.message);
      },
    });
  }

  get closed(): boolean {
    return this.#closedBy !== undefined;
  }

  get closedBy(): string {
    return this.#closedBy ?? "";
  }

  /** With TLS 1.3 a dialler learns that its certificate was refused only after connecting. */
  get endedByTls(): boolean {
    return this.#endedByTls;
  }

  get unsentBytes(): number {
    return this.#queuedBytes + this.#rest.length + this.#stream.pendingBytes;
  }

  /** Calls `run` once, when the link is gone; at once when it is. */
  whenClosed(run: (reason: string) => void): void {
    if (this.#closedBy === undefined) this.#onClose.push(run);
    else run(this.#closedBy);
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

  /** From here on records are sealed, when keys are given, and frames go to `handlers`. */
  open(handlers: LinkHandlers, seals: Seals | undefined): void {
    if (this.closed) return;
    this.#rest = Buffer.concat([this.#rest, ...this.#queue.splice(0).map(plain)]);
    this.#queuedBytes = 0;
    this.#seals = seals;
    this.#parser.bytesMax = seals === undefined ? FRAME_BYTES_MAX : RECORD_BYTES_MAX;
    this.#handlers = handlers;
    this.#startInterval();
    for (const body of this.#inbox.splice(0)) this.#checked(() => this.#deliver(body));
  }

  #startInterval(): void {
    const { timers } = this.#context.options;
    this.#timer = timers.after(this.#pingIntervalMs, () => {
      const quiet = !this.#heard || this.#sentBytes === this.#writtenBytes;
      this.#sentBytes = this.#writtenBytes;
      this.#checkAlive();
      if (this.closed) return;
      this.#startInterval();
      this.#handlers?.onInterval?.(quiet);
    });
  }

  /**
   * Bytes received are a sign of life, and so is a full socket that takes more: the peer made room.
   * One that was not full takes what it is given, whether or not anything arrives.
   */
  #checkAlive(): void {
    const { pendingBytes } = this.#stream;
    const taken = this.#writtenBytes - pendingBytes;
    const alive = this.#heard || (this.#wasFull && taken > this.#takenBytes);
    this.#silentIntervals = alive ? 0 : this.#silentIntervals + 1;
    this.#heard = false;
    this.#takenBytes = taken;
    this.#wasFull = pendingBytes > 0;
    if (this.#silentIntervals >= SILENT_INTERVALS_MAX) this.close("no sign of life");
  }

  #onData(bytes: Uint8Array): void {
    this.#heard = true;
    this.#checked(() => this.#parser.push(bytes, (body) => this.#deliver(body)));
  }

  #checked(parse: () => void): void {
    try {
      parse();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.reject("bad_frame", error.message);
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
    } else if (this.#seals === undefined) this.#handlers.onBody(body);
    else this.#deliverRecord(this.#seals.opening.open(body), this.#handlers);
  }

  #deliverRecord(frames: Uint8Array | undefined, handlers: LinkHandlers): void {
    if (frames === undefined) {
      this.reject("bad_mac", "a record that is forged, repeated, or out of order");
      return;
    }
    this.#recordParser.push(frames, (json) => handlers.onBody(json));
    if (this.#recordParser.heldBytes > 0) this.reject("bad_frame", "a frame cut by its record");
  }

  /**
   * Queues a frame made by `encodeForLink`, in this order. Small ones wait for the end of the
   * running callback, so that they travel together.
   */
  send(frame: Buffer): void {
    if (this.closed) return;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (!this.#writable) return;
    if (this.#queuedBytes >= WRITE_NOW_BYTES) this.#write();
    else if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => {
        this.#flushing = false;
        this.#write();
      });
    }
  }

  #write(): void {
    while (this.#writable && !this.closed) {
      if (this.#rest.length === 0) {
        if (this.#queue.length === 0) return;
        this.#rest = this.#nextRecord();
      }
      const piece = this.#rest.subarray(0, PIECE_BYTES_MAX);
      this.#rest = this.#rest.subarray(piece.length);
      this.#writtenBytes += piece.length;
      this.#writable = this.#stream.write(piece);
    }
  }

  /** The first frame, in place, or as many small ones as fit into a piece, copied together. */
  #nextRecord(): Buffer {
    let count = 0;
    let bytes = 0;
    for (const frame of this.#queue) {
      if (count > 0 && bytes + wireBytes(frame) > PIECE_BYTES_MAX) break;
      bytes += wireBytes(frame);
      this.#queuedBytes -= frame.length;
      count += 1;
    }
    const frames = this.#queue.splice(0, count);
    const record = count === 1 ? (frames[0] as Buffer) : joined(frames, bytes);
    if (this.#seals === undefined) return plain(record);
    writeFrameHeader(record, bytes + TAG_BYTES);
    this.#seals.sealing.close(record.subarray(FRAME_HEADER_BYTES));
    return record;
  }

  /** Closes, with the reason counted and logged. */
  reject(reason: RejectReason, message: string): void {
    if (this.closed) return;
    this.#context.rejected(reason, this.remote, message);
    this.close(message);
  }

  /** Reads no more, and closes after `delayMs`: what was sent last can arrive until then. */
  closeAfter(delayMs: number, reason: string): void {
    if (this.closed) return;
    this.#parser.stop();
    this.#timer = this.#context.options.timers.after(delayMs, () => this.close(reason));
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
    this.#recordParser.stop();
    this.#timer?.();
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#rest = NOTHING;
    this.#inbox = [];
    this.#wake?.();
    for (const run of this.#onClose.splice(0)) run(reason);
  }
}

function plain(frame: Buffer): Buffer {
  return frame.subarray(FRAME_HEADER_BYTES, frame.length - TAG_BYTES);
}

function joined(frames: readonly Buffer[], bytes: number): Buffer {
  const record = Buffer.allocUnsafe(FRAME_HEADER_BYTES + bytes + TAG_BYTES);
  let at = FRAME_HEADER_BYTES;
  for (const frame of frames)
    at += frame.copy(record, at, FRAME_HEADER_BYTES, frame.length - TAG_BYTES);
  return record;
}

import { invariant } from "../../pkg/base/index.js";
import type { Stream, StreamHandlers } from "../../pkg/runtime/index.js";
import type { SeededRandom } from "./seeded-random.js";
import type { VirtualTime } from "./virtual-time.js";

/** What one direction between two hosts is like. */
export interface StreamLink {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Bytes a millisecond; 0 is without limit. */
  readonly bytesPerMs: number;
  /** Bytes are held back, and the end of a stream too, until it is healed: TCP sends again. */
  readonly cut: boolean;
  /** Whoever dials is refused. */
  readonly refuse: boolean;
}

/** Bytes on their way that make `write` answer false. */
const WINDOW_BYTES = 256 * 1024;

interface Ports {
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  /** The direction from this end to the other, as it is now. */
  readonly link: () => StreamLink;
}

/** One end of a simulated connection; what it sends arrives at `peer`, cut anywhere. */
export class SimStream implements Stream {
  readonly remote: string;
  readonly peerNames: readonly string[];
  readonly #ports: Ports;
  #peer: SimStream | undefined;
  #handlers: StreamHandlers | undefined;
  #paused = true;
  #closed = false;
  #draining = false;
  #lastArrivalUs = 0;
  /** Sent and not yet taken by the peer's handler, oldest first. */
  #underWay: { atUs: number; bytes: Uint8Array }[] = [];
  #pendingBytes = 0;
  #ending: { readonly atUs: number; readonly error: Error | undefined } | undefined;
  #finished: { readonly error: Error | undefined } | undefined;

  constructor(
    ports: Ports,
    names: { readonly remote: string; readonly peerNames: readonly string[] },
  ) {
    this.#ports = ports;
    this.remote = names.remote;
    this.peerNames = names.peerNames;
  }

  static join(a: SimStream, b: SimStream): void {
    a.#peer = b;
    b.#peer = a;
  }

  get pendingBytes(): number {
    return this.#closed ? 0 : this.#pendingBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  start(handlers: StreamHandlers): void {
    invariant(this.#handlers === undefined, "a stream is started once");
    this.#handlers = handlers;
    this.#paused = false;
    if (this.#finished) this.#tellClosed(this.#finished.error);
    else this.#peer?.wake();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed) return false;
    const { time, random, link } = this.#ports;
    const { delayMsMin, delayMsMax, bytesPerMs } = link();
    const delayUs = random.between(delayMsMin * 1000, delayMsMax * 1000);
    const busyUs = bytesPerMs === 0 ? 0 : Math.ceil((bytes.length * 1000) / bytesPerMs);
    const atUs = Math.max(time.nowUs + delayUs, this.#lastArrivalUs) + busyUs;
    this.#lastArrivalUs = atUs;
    this.#underWay.push({ atUs, bytes: bytes.slice() });
    this.#pendingBytes += bytes.length;
    time.at(atUs, () => this.wake());
    this.#draining ||= this.#pendingBytes >= WINDOW_BYTES;
    return !this.#draining;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused || !this.#handlers) return;
    this.#paused = false;
    this.#ports.time.soon(() => this.#peer?.wake());
  }

  destroy(): void {
    this.#end(undefined, undefined, this.#ports.random.below(this.#underWay.length + 1));
  }

  /** Breaks the connection: this end learns it now, the other as soon as the link lets it. */
  reset(): void {
    this.#end(resetError(), resetError(), 0);
  }

  /** The host is gone with its power: nobody here is called again, and the other end hears nothing. */
  vanish(): void {
    this.#closed = true;
    this.#handlers = undefined;
    this.#underWay = [];
  }

  /** Hands over what has arrived, in pieces cut at random, and then the end if it was sent. */
  wake(): void {
    const { time, random, link } = this.#ports;
    const peer = this.#peer;
    if (!peer || peer.#closed || link().cut) return;
    const ready: Uint8Array[] = [];
    while (this.#canTake(peer) && (this.#underWay[0]?.atUs ?? Infinity) <= time.nowUs) {
      ready.push(this.#underWay.shift()?.bytes ?? new Uint8Array(0));
    }
    let bytes: Uint8Array = Buffer.concat(ready);
    while (bytes.length > 0 && this.#canTake(peer)) {
      const size = 1 + random.below(bytes.length);
      const piece = bytes.slice(0, size);
      bytes = bytes.subarray(size);
      this.#pendingBytes -= size;
      time.trace.note(`bytes to ${this.remote}`, size);
      peer.#handlers?.onData(piece);
    }
    if (bytes.length > 0) this.#underWay.unshift({ atUs: time.nowUs, bytes });
    this.#tellDrained();
    const ending = this.#ending;
    if (ending && ending.atUs <= time.nowUs && this.#underWay.length === 0)
      peer.#finish(ending.error);
  }

  #canTake(peer: SimStream): boolean {
    return !peer.#closed && !peer.#paused;
  }

  #tellDrained(): void {
    if (!this.#draining || this.#pendingBytes > 0 || this.#closed) return;
    this.#draining = false;
    this.#ports.time.soon(() => {
      if (!this.#closed) this.#handlers?.onDrain();
    });
  }

  #end(own: Error | undefined, theirs: Error | undefined, kept: number): void {
    if (this.#closed) return;
    const { time, random, link } = this.#ports;
    const { delayMsMin, delayMsMax } = link();
    this.#underWay.length = kept;
    const delayUs = random.between(delayMsMin * 1000, delayMsMax * 1000);
    const atUs = Math.max(time.nowUs + delayUs, this.#underWay.at(-1)?.atUs ?? 0);
    this.#ending = { atUs, error: theirs };
    time.at(atUs, () => this.wake());
    this.#close(own);
  }

  /** The other end has closed; ours closes as well. */
  #finish(error: Error | undefined): void {
    if (!this.#closed) this.#close(error);
  }

  #close(error: Error | undefined): void {
    this.#closed = true;
    this.#finished = { error };
    this.#pendingBytes = 0;
    if (this.#handlers) this.#tellClosed(error);
  }

  #tellClosed(error: Error | undefined): void {
    this.#ports.time.soon(() => {
      const handlers = this.#handlers;
      this.#handlers = undefined;
      handlers?.onClose(error);
    });
  }
}

function resetError(): Error {
  return Object.assign(new Error("ECONNRESET: connection reset (simulated)"), {
    code: "ECONNRESET",
  });
}

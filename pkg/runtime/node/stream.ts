import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { invariant } from "../../base/index.js";
import type { Stream, StreamHandlers } from "../network.js";
import { peerNames } from "./peer-names.js";

/** Bytes that a socket buffers before `write` answers false. */
export const BUFFER_BYTES = 256 * 1024;

/** Silence after which the system asks whether the peer is still there. */
const KEEPALIVE_MS = 10_000;

/** An open socket as a `Stream`. Listens to errors from its first moment to its last (FC-182). */
export class SocketStream implements Stream {
  readonly remote: string;
  readonly peerNames: readonly string[];
  readonly #socket: Socket;
  #handlers: StreamHandlers | undefined;
  #error: Error | undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remote = remoteOf(socket);
    this.peerNames = socket instanceof TLSSocket ? peerNames(socket) : [];
    socket.pause();
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.on("close", () => {
      this.#closed = true;
      this.#handlers?.onClose(this.#error);
    });
    // A peer that has ended its side reads no more either: half-open streams are of no use here.
    socket.on("end", () => void socket.destroy());
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  start(handlers: StreamHandlers): void {
    invariant(this.#handlers === undefined, "a stream is started once");
    this.#handlers = handlers;
    if (this.#closed) {
      queueMicrotask(() => handlers.onClose(this.#error));
      return;
    }
    this.#socket.on("data", (bytes: Uint8Array) => handlers.onData(bytes));
    this.#socket.on("drain", () => handlers.onDrain());
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return false;
    return this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

export function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
}

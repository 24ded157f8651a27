import { setMaxListeners } from "node:events";
import type { Socket } from "node:net";

/**
 * One abort signal a connection, not a request: what a connection waits for has no one to answer
 * to once it is gone, and keeping one signal is what makes it cheap.
 */
export class ConnectionSignals {
  readonly #controllers = new Map<Socket, AbortController>();
  #aborted: unknown;

  of(socket: Socket): AbortSignal {
    const known = this.#controllers.get(socket);
    if (known) return known.signal;
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    this.#controllers.set(socket, controller);
    socket.once("close", () => {
      this.#controllers.delete(socket);
      controller.abort(new Error("the client has gone"));
    });
    if (this.#aborted !== undefined) controller.abort(this.#aborted);
    if (socket.destroyed) controller.abort(new Error("the client has gone"));
    return controller.signal;
  }

  /** Ends the waiting of every connection, also of later ones; the connections stay open. */
  abortAll(reason: unknown): void {
    this.#aborted = reason;
    for (const controller of this.#controllers.values()) controller.abort(reason);
  }
}

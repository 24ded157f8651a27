import type { ServerResponse } from "node:http";
import { deferred } from "../../base/index.js";
import type { Cancel, Timers } from "../../runtime/index.js";

/**
 * A long answer to a client that may read slowly: nothing is written while the client has not
 * taken what was written before, and a client that takes nothing for `stallMs` is cut.
 */
export class SlowStream {
  readonly #response: ServerResponse;
  readonly #timers: Timers;
  readonly #stallMs: number;
  #cancelHeartbeat: Cancel = () => {};
  #open = true;

  constructor(
    response: ServerResponse,
    timers: Timers,
    options: { stallMs: number; heartbeatMs: number; heartbeat: string },
  ) {
    this.#response = response;
    this.#timers = timers;
    this.#stallMs = options.stallMs;
    // With a listener of its own, a connection that stands still is not cut by the server.
    response.on("timeout", () => {});
    response.once("close", () => this.#stop());
    response.on("error", () => this.#stop());
    if (options.heartbeat !== "") this.#beat(options.heartbeatMs, options.heartbeat);
  }

  /** @returns false when the client has gone, or took nothing for too long */
  async write(chunk: string | Uint8Array): Promise<boolean> {
    if (!this.#open) return false;
    if (this.#response.write(chunk)) return true;
    const drained = deferred();
    const wake = () => drained.resolve();
    this.#response.once("drain", wake).once("close", wake);
    const cancel = this.#timers.after(this.#stallMs, () => {
      this.#response.destroy();
      wake();
    });
    await drained.promise;
    cancel();
    this.#response.off("drain", wake).off("close", wake);
    return this.#open && !this.#response.destroyed;
  }

  end(): void {
    if (this.#open) this.#response.end();
    this.#stop();
  }

  #stop(): void {
    this.#open = false;
    this.#cancelHeartbeat();
  }

  #beat(everyMs: number, text: string): void {
    this.#cancelHeartbeat = this.#timers.after(everyMs, () => {
      if (!this.#open) return;
      if (this.#response.writableLength === 0) this.#response.write(text);
      this.#beat(everyMs, text);
    });
  }
}

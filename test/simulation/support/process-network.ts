import type {
  Address,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  Stream,
  StreamHandlers,
  Timers,
} from "../../../pkg/runtime/index.js";

/**
 * The network as one process sees it: what arrives is handled by the process's own event loop, so
 * it waits while the loop stands still, and goes nowhere once the process has ended.
 */
export class ProcessNetwork implements Network {
  readonly #network: Network;
  readonly #timers: Timers;
  #ended = false;

  /** @param timers - the process's own: they pause and die with it */
  constructor(network: Network, timers: Timers) {
    this.#network = network;
    this.#timers = timers;
  }

  /** The process is gone; the host resets what it had open. */
  end(): void {
    this.#ended = true;
  }

  async connect(address: Address, options: ConnectOptions): Promise<Stream> {
    const stream = await this.#network.connect(address, options).catch(async (error: unknown) => {
      await this.#turn();
      throw error;
    });
    if (this.#ended) stream.destroy();
    await this.#turn();
    return new ProcessStream(stream, this.#timers);
  }

  listen(
    address: Address,
    options: ListenOptions,
    onStream: (stream: Stream) => void,
  ): Promise<Listener> {
    return this.#network.listen(address, options, (stream) => {
      this.#timers.soon(() => onStream(new ProcessStream(stream, this.#timers)));
    });
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => void this.#timers.soon(resolve));
  }
}

/** A stream whose events are handled by turns of one process. */
class ProcessStream implements Stream {
  readonly remote: string;
  readonly peerNames: readonly string[];
  readonly #stream: Stream;
  readonly #timers: Timers;
  readonly #events: (() => void)[] = [];
  #paused = false;
  #destroyed = false;
  #turnComes = false;

  constructor(stream: Stream, timers: Timers) {
    this.#stream = stream;
    this.#timers = timers;
    this.remote = stream.remote;
    this.peerNames = stream.peerNames;
  }

  get pendingBytes(): number {
    return this.#stream.pendingBytes;
  }

  start(handlers: StreamHandlers): void {
    this.#stream.start({
      onData: (bytes) =>
        this.#later(() => {
          if (!this.#destroyed) handlers.onData(bytes);
        }),
      onDrain: () => this.#later(() => handlers.onDrain()),
      onClose: (error) => this.#later(() => handlers.onClose(error)),
    });
  }

  write(bytes: Uint8Array): boolean {
    return this.#stream.write(bytes);
  }

  pause(): void {
    this.#paused = true;
    this.#stream.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream.resume();
    if (this.#events.length > 0) this.#turnSoon();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#paused = false;
    this.#stream.destroy();
  }

  #later(event: () => void): void {
    this.#events.push(event);
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#turnComes) return;
    this.#turnComes = true;
    this.#timers.soon(() => {
      this.#turnComes = false;
      while (!this.#paused && this.#events.length > 0) this.#events.shift()?.();
    });
  }
}

import type {
  Address,
  ConnectOptions,
  Listener,
  ListenOptions,
  Network,
  Stream,
} from "../../pkg/runtime/index.js";
import type { SeededRandom } from "./seeded-random.js";
import { SimStream, type StreamLink } from "./sim-stream.js";
import type { VirtualTime } from "./virtual-time.js";

export const HEALTHY_STREAM_LINK: StreamLink = {
  delayMsMin: 1,
  delayMsMax: 1,
  bytesPerMs: 0,
  cut: false,
  refuse: false,
};

/** How often each fault really took effect. */
export type StreamHits = Record<
  "connected" | "refused" | "timed_out" | "reset" | "vanished",
  number
>;

interface Connection {
  readonly from: string;
  readonly to: string;
  readonly ends: readonly [SimStream, SimStream];
}

/**
 * Byte streams between simulated hosts. A host's name is its address. TLS is taken for granted:
 * when both sides ask for it each sees the other host's name as the peer's only name.
 */
export class SimNetwork {
  readonly hits: StreamHits = { connected: 0, refused: 0, timed_out: 0, reset: 0, vanished: 0 };
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #links = new Map<string, StreamLink>();
  readonly #listeners = new Map<string, (stream: Stream) => void>();
  #connections: Connection[] = [];
  #defaults: StreamLink;
  #port = 40_000;

  constructor(options: {
    readonly time: VirtualTime;
    readonly random: SeededRandom;
    readonly defaults?: Partial<StreamLink>;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#defaults = { ...HEALTHY_STREAM_LINK, ...options.defaults };
  }

  /** The network as the host of that name sees it. */
  host(name: string): Network {
    return {
      connect: (address, options) => this.#connect(name, address, options),
      listen: (address, options, onStream) => this.#listen(name, address, options, onStream),
    };
  }

  /** One direction. */
  setLink(from: string, to: string, settings: Partial<StreamLink>): void {
    this.#links.set(keyOf(from, to), { ...this.#link(from, to), ...settings });
    if (settings.cut === false) this.#wakeAll();
  }

  setAll(settings: Partial<StreamLink>): void {
    this.#defaults = { ...this.#defaults, ...settings };
    for (const [key, link] of this.#links) this.#links.set(key, { ...link, ...settings });
    if (settings.cut === false) this.#wakeAll();
  }

  /** Resets every open connection between the two hosts. */
  reset(a: string, b: string): void {
    for (const { from, to, ends } of this.#open()) {
      if (!(from === a && to === b) && !(from === b && to === a)) continue;
      this.hits.reset += 1;
      for (const end of ends) end.reset();
    }
  }

  /** The process on the host has died: its listeners are gone, its peers get resets. */
  killHost(name: string): void {
    this.#leave(name, (own) => own.reset());
  }

  /** The host has lost power: its peers hear nothing at all. */
  vanishHost(name: string): void {
    this.#leave(name, (own) => {
      this.hits.vanished += 1;
      own.vanish();
    });
  }

  #leave(name: string, end: (own: SimStream) => void): void {
    for (const key of [...this.#listeners.keys()]) {
      if (key.startsWith(`${name}:`)) this.#listeners.delete(key);
    }
    for (const { from, to, ends } of this.#open()) {
      if (from === name) end(ends[0]);
      if (to === name) end(ends[1]);
    }
  }

  #connect(from: string, address: Address, options: ConnectOptions): Promise<Stream> {
    const to = address.host;
    const target = `${to}:${address.port}`;
    return new Promise((resolve, reject) => {
      let over = false;
      const fail = (code: string, kind: "refused" | "timed_out") => {
        if (over) return;
        over = true;
        this.hits[kind] += 1;
        reject(Object.assign(new Error(`${code}: cannot connect to ${target}`), { code }));
      };
      const cancel = this.#time.after(options.timeoutMs, () => fail("ETIMEDOUT", "timed_out"));
      const out = this.#link(from, to);
      const delayUs = this.#random.between(out.delayMsMin * 2000, out.delayMsMax * 2000);
      this.#time.at(this.#time.nowUs + delayUs, () => {
        if (over || this.#link(from, to).cut || this.#link(to, from).cut) return;
        cancel();
        const onStream = this.#listeners.get(target);
        if (!onStream || this.#link(from, to).refuse) {
          fail("ECONNREFUSED", "refused");
          return;
        }
        over = true;
        this.hits.connected += 1;
        const [client, server] = this.#join(from, to, options.tls !== undefined);
        resolve(client);
        onStream(server);
      });
    });
  }

  #join(from: string, to: string, named: boolean): readonly [SimStream, SimStream] {
    this.#port += 1;
    const random = this.#random.fork(`stream-${this.#port}`);
    const end = (own: string, other: string) =>
      new SimStream(
        { time: this.#time, random, link: () => this.#link(own, other) },
        { remote: `${other}:${this.#port}`, peerNames: named ? [other] : [] },
      );
    const ends = [end(from, to), end(to, from)] as const;
    SimStream.join(...ends);
    this.#connections = [...this.#open(), { from, to, ends }];
    return ends;
  }

  async #listen(
    name: string,
    address: Address,
    _options: ListenOptions,
    onStream: (stream: Stream) => void,
  ): Promise<Listener> {
    if (address.port === 0) this.#port += 1;
    const port = address.port === 0 ? this.#port : address.port;
    const key = `${name}:${port}`;
    if (this.#listeners.has(key)) {
      throw Object.assign(new Error(`EADDRINUSE: ${key}`), { code: "EADDRINUSE" });
    }
    this.#listeners.set(key, onStream);
    return {
      address: { host: name, port },
      close: async () => {
        if (this.#listeners.get(key) === onStream) this.#listeners.delete(key);
      },
    };
  }

  #open(): Connection[] {
    return this.#connections.filter(({ ends }) => ends.some((end) => !end.closed));
  }

  #wakeAll(): void {
    for (const { ends } of this.#connections) {
      for (const end of ends) this.#time.soon(() => end.wake());
    }
  }

  #link(from: string, to: string): StreamLink {
    return this.#links.get(keyOf(from, to)) ?? this.#defaults;
  }
}

function keyOf(from: string, to: string): string {
  return `${from}>${to}`;
}

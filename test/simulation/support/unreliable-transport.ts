import {
  type CallOptions,
  MessageType,
  type PeerConnection,
  type PeerMessage,
  type RequestHandler,
  type Transport,
  TransportError,
} from "../../../pkg/replication/ports/index.js";
import { delay, type Timers } from "../../../pkg/runtime/index.js";
import type { Ratio, SeededRandom } from "../../support/index.js";

/** What befalls calls beyond what links do to bytes. */
export interface CallFaults {
  readonly loss: Ratio;
  readonly duplicate: Ratio;
  /** How many calls leave late, so that later ones overtake them. */
  readonly late: Ratio;
  readonly lateMsMax: number;
}

export const NO_CALL_FAULTS: CallFaults = {
  loss: [0, 1],
  duplicate: [0, 1],
  late: [0, 1],
  lateMsMax: 0,
};

/** A connection brings these once or not at all, and they rely on it. */
const ONCE: ReadonlySet<number> = new Set([MessageType.forward, MessageType.order]);

/** How often each fault took effect. */
export type CallHits = Record<"lost_question" | "lost_answer" | "doubled" | "late", number>;

interface Parts {
  readonly transport: Transport;
  readonly timers: Timers;
  readonly random: SeededRandom;
  readonly faults: () => CallFaults;
  readonly hits: CallHits;
}

/** A transport whose calls may be lost, doubled and overtaken; the one behind it is real. */
export class UnreliableTransport implements Transport {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  listen(handler: RequestHandler) {
    return this.#parts.transport.listen(handler);
  }

  connect(peer: Parameters<Transport["connect"]>[0]): PeerConnection {
    const connection = this.#parts.transport.connect(peer);
    return {
      address: connection.address,
      isConnected: () => connection.isConnected(),
      call: (message, options) => this.#call(connection, message, options),
      close: () => connection.close(),
    };
  }

  close(): Promise<void> {
    return this.#parts.transport.close();
  }

  async #call(
    connection: PeerConnection,
    message: PeerMessage,
    options: CallOptions,
  ): Promise<PeerMessage> {
    const { random, timers, hits } = this.#parts;
    const faults = this.#parts.faults();
    if (random.chance(...faults.late)) {
      hits.late += 1;
      await delay(timers, random.below(faults.lateMsMax + 1));
    }
    if (random.chance(...faults.loss)) {
      const asked = random.chance(1, 2);
      hits[asked ? "lost_answer" : "lost_question"] += 1;
      if (asked) connection.call(message, options).catch(() => {});
      return this.#lose(options);
    }
    if (random.chance(...faults.duplicate) && !ONCE.has(message.type)) {
      hits.doubled += 1;
      timers.after(random.below(faults.lateMsMax + 1), () => {
        connection.call(message, options).catch(() => {});
      });
    }
    return connection.call(message, options);
  }

  /** Either the link is seen to break, or nobody answers for as long as the caller waits. */
  async #lose({ timeoutMs, priority, signal }: CallOptions): Promise<PeerMessage> {
    const { random, timers } = this.#parts;
    const breaks = random.chance(1, 2) || priority === "bulk";
    await delay(timers, breaks ? 1 : timeoutMs, signal);
    throw new TransportError(breaks ? "DISCONNECTED" : "TIMEOUT", "lost on the way (simulated)");
  }
}

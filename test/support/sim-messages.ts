import type { JsonValue } from "../../pkg/base/index.js";
import type { Ratio, SeededRandom } from "./seeded-random.js";
import type { VirtualTime } from "./virtual-time.js";

/** What happens to messages from one node to another. */
export interface MessageLink {
  readonly drop: Ratio;
  readonly duplicate: Ratio;
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** A message that takes `spikeMs` on top. */
  readonly spike: Ratio;
  readonly spikeMs: number;
  /** Nothing passes in this direction; what is under way is lost too. */
  readonly cut: boolean;
}

export const HEALTHY_LINK: MessageLink = {
  drop: [0, 1],
  duplicate: [0, 1],
  delayMsMin: 1,
  delayMsMax: 1,
  spike: [0, 1],
  spikeMs: 0,
  cut: false,
};

/** How often each fault really took effect. */
export type MessageHits = Record<
  "sent" | "delivered" | "dropped" | "duplicated" | "reordered" | "spiked" | "cut" | "absent",
  number
>;

export type MessageHandler = (from: string, message: JsonValue) => void;

/**
 * Datagrams between simulated nodes: each may be lost, doubled, late or out of order. A message
 * crosses as the UTF-8 bytes of its JSON, so no two nodes ever share an object. Each link draws
 * from a generator of its own: more traffic on one does not change another's faults.
 */
export class SimMessages {
  readonly hits: MessageHits = {
    sent: 0,
    delivered: 0,
    dropped: 0,
    duplicated: 0,
    reordered: 0,
    spiked: 0,
    cut: 0,
    absent: 0,
  };
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #links = new Map<string, Link>();
  #defaults: MessageLink;

  constructor(options: {
    readonly time: VirtualTime;
    readonly random: SeededRandom;
    readonly defaults?: Partial<MessageLink>;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#defaults = { ...HEALTHY_LINK, ...options.defaults };
  }

  /** The node is up and takes messages; replaces an earlier handler of that name. */
  attach(node: string, handler: MessageHandler): void {
    this.#handlers.set(node, handler);
  }

  /** The node is down: what arrives for it is lost. */
  detach(node: string): void {
    this.#handlers.delete(node);
  }

  /** Settings of every link, also of those to come; cuts included. */
  setAll(settings: Partial<MessageLink>): void {
    this.#defaults = { ...this.#defaults, ...settings };
    for (const link of this.#links.values()) link.settings = { ...link.settings, ...settings };
  }

  setLink(from: string, to: string, settings: Partial<MessageLink>): void {
    const link = this.#link(from, to);
    link.settings = { ...link.settings, ...settings };
  }

  /** One direction; call it twice for both. */
  cut(from: string, to: string): void {
    this.setLink(from, to, { cut: true });
  }

  heal(from: string, to: string): void {
    this.setLink(from, to, { cut: false });
  }

  healAll(): void {
    this.setAll({ cut: false });
  }

  send(from: string, to: string, message: JsonValue): void {
    const link = this.#link(from, to);
    const { settings, random } = link;
    const bytes = Buffer.from(JSON.stringify(message));
    this.hits.sent += 1;
    link.sent += 1;
    this.#time.trace.noteBytes(`send ${from}>${to}`, bytes);
    if (random.chance(...settings.drop)) {
      this.hits.dropped += 1;
      return;
    }
    this.#transmit(link, link.sent, bytes);
    if (random.chance(...settings.duplicate)) {
      this.hits.duplicated += 1;
      this.#transmit(link, link.sent, bytes);
    }
  }

  #transmit(link: Link, number: number, bytes: Buffer): void {
    const { settings, random } = link;
    let delayUs = random.between(settings.delayMsMin * 1000, settings.delayMsMax * 1000);
    if (random.chance(...settings.spike)) {
      this.hits.spiked += 1;
      delayUs += settings.spikeMs * 1000;
    }
    this.#time.at(this.#time.nowUs + delayUs, () => this.#arrive(link, number, bytes));
  }

  #arrive(link: Link, number: number, bytes: Buffer): void {
    if (link.settings.cut) {
      this.hits.cut += 1;
      return;
    }
    const handler = this.#handlers.get(link.to);
    if (!handler) {
      this.hits.absent += 1;
      return;
    }
    if (number < link.newest) this.hits.reordered += 1;
    link.newest = Math.max(link.newest, number);
    this.hits.delivered += 1;
    handler(link.from, JSON.parse(bytes.toString()) as JsonValue);
  }

  #link(from: string, to: string): Link {
    const key = `${from}>${to}`;
    let link = this.#links.get(key);
    if (!link) {
      const random = this.#random.fork(key);
      link = { from, to, random, settings: this.#defaults, sent: 0, newest: 0 };
      this.#links.set(key, link);
    }
    return link;
  }
}

interface Link {
  readonly from: string;
  readonly to: string;
  readonly random: SeededRandom;
  settings: MessageLink;
  sent: number;
  newest: number;
}

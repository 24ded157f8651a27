import type { Replicator } from "../replication/index.js";
import { ReplicationError } from "../replication/index.js";
import type { Cancel, Clock, Timers } from "../runtime/index.js";
import type { ServiceEvent } from "./service.js";

/**
 * Hands the node's events to any number of listeners, up to a bound, and adds the lag: while
 * someone listens it is looked at from time to time, and told when it has changed.
 */
export class EventFan {
  readonly #replicator: Replicator;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #limits: { readonly eventListenersMax: number; readonly lagPollMs: number };
  readonly #listeners = new Set<(event: ServiceEvent) => void>();
  readonly #stop: () => void;
  #cancelPoll: Cancel = () => {};
  #lag = "";

  constructor(
    replicator: Replicator,
    clock: Clock,
    timers: Timers,
    limits: { readonly eventListenersMax: number; readonly lagPollMs: number },
  ) {
    this.#replicator = replicator;
    this.#clock = clock;
    this.#timers = timers;
    this.#limits = limits;
    this.#stop = replicator.onEvent((event) => this.#tell(event));
  }

  /** @throws ReplicationError `OVERLOADED` */
  add(listener: (event: ServiceEvent) => void): () => void {
    const max = this.#limits.eventListenersMax;
    if (this.#listeners.size >= max) {
      throw new ReplicationError("OVERLOADED", `${max} clients listen for events already`, {
        retryAfterMs: 1000,
      });
    }
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#poll();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#cancelPoll();
    };
  }

  close(): void {
    this.#stop();
    this.#cancelPoll();
    this.#listeners.clear();
  }

  #tell(event: ServiceEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #poll(): void {
    this.#cancelPoll();
    this.#cancelPoll = this.#timers.after(this.#limits.lagPollMs, () => {
      this.#tellLag()
        .catch(() => {})
        .finally(() => {
          if (this.#listeners.size > 0) this.#poll();
        });
    });
  }

  async #tellLag(): Promise<void> {
    const { lagEntries, lagMs } = await this.#replicator.health();
    const lag = `${lagEntries} ${lagMs}`;
    if (lag === this.#lag) return;
    this.#lag = lag;
    this.#tell({ kind: "lag", lagEntries, lagMs, at: this.#clock.wallMs() });
  }
}

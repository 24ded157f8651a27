import type { Replicator } from "../replication/index.js";
import { ReplicationError } from "../replication/index.js";
import type { Cancel, Clock, Timers } from "../runtime/index.js";
import type { ConflictNotice, ConflictReads } from "../storage/index.js";
import type { ServiceEvent } from "./service.js";

export interface EventSources {
  readonly replicator: Replicator;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly storage: Partial<ConflictReads>;
}

/**
 * Hands the node's events to any number of listeners, up to a bound, and adds lag and conflicts:
 * while someone listens both are looked at from time to time, and told when there is something new.
 */
export class EventFan {
  readonly #replicator: Replicator;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #limits: { readonly eventListenersMax: number; readonly lagPollMs: number };
  readonly #listeners = new Set<(event: ServiceEvent) => void>();
  readonly #storage: Partial<ConflictReads>;
  readonly #stop: () => void;
  #cancelPoll: Cancel = () => {};
  #lag = "";
  #conflictsSeen = 0;

  constructor(
    { replicator, clock, timers, storage }: EventSources,
    limits: { readonly eventListenersMax: number; readonly lagPollMs: number },
  ) {
    this.#replicator = replicator;
    this.#clock = clock;
    this.#timers = timers;
    this.#storage = storage;
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
    if (this.#listeners.size === 1) {
      this.#newConflicts().catch(() => {});
      this.#poll();
    }
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
      void Promise.allSettled([this.#tellLag(), this.#tellConflicts()]).finally(() => {
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

  async #tellConflicts(): Promise<void> {
    for (const { kind, ...notice } of await this.#newConflicts()) {
      this.#tell({ kind: "conflict", conflict: kind, ...notice, at: this.#clock.wallMs() });
    }
  }

  /** Of those that came up while nobody listened nobody is told. */
  async #newConflicts(): Promise<readonly ConflictNotice[]> {
    const news = await this.#storage.conflictNews?.(this.#conflictsSeen);
    this.#conflictsSeen = news?.total ?? 0;
    return news?.notices ?? [];
  }
}

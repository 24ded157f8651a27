import { NO_POSITION, type Position } from "../../base/index.js";
import type { Cancel, Clock, Timers } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { Receipt } from "../replicator.js";

interface Waiter {
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: ReplicationError) => void;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  /** All tickets that end with the same signal, this one among them. */
  readonly watched: Set<number> | undefined;
}

/** Deadlines are looked at this often; a wait may end that much late. */
const SWEEP_INTERVAL_MS = 50;

/** Who waits for which write. Every wait ends: with an answer, at its deadline, or at the close. */
export class PendingWrites {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #waiters = new Map<number, Waiter>();
  /** One listener a signal, however many writes wait under it: a connection has one for all. */
  readonly #signals = new WeakMap<AbortSignal, Set<number>>();
  #sweep: Cancel | undefined;
  /** The highest position of an answered write. */
  lastAnswered: Position = NO_POSITION;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  get size(): number {
    return this.#waiters.size;
  }

  wait(ticket: number, timeoutMs: number, signal?: AbortSignal): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const watched = signal === undefined ? undefined : this.#watch(signal);
      watched?.add(ticket);
      const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
      this.#waiters.set(ticket, { resolve, reject, timeoutMs, deadlineMs, watched });
      this.#sweepSoon();
    });
  }

  resolve(ticket: number, receipt: Receipt): void {
    if (receipt.index > this.lastAnswered.index) {
      this.lastAnswered = { index: receipt.index, term: receipt.term };
    }
    this.#take(ticket)?.resolve(receipt);
  }

  reject(ticket: number, error: ReplicationError): void {
    this.#take(ticket)?.reject(error);
  }

  /** Ends every wait: these writes may or may not have happened. */
  abandon(reason: string): void {
    for (const ticket of [...this.#waiters.keys()]) this.reject(ticket, unknown(reason));
    this.#sweep?.();
    this.#sweep = undefined;
  }

  #watch(signal: AbortSignal): Set<number> {
    const known = this.#signals.get(signal);
    if (known !== undefined) return known;
    const watched = new Set<number>();
    this.#signals.set(signal, watched);
    const onAbort = () => {
      for (const ticket of [...watched]) {
        this.reject(ticket, unknown("the caller stopped waiting"));
      }
    };
    signal.addEventListener("abort", onAbort, { once: true });
    return watched;
  }

  #take(ticket: number): Waiter | undefined {
    const waiter = this.#waiters.get(ticket);
    this.#waiters.delete(ticket);
    waiter?.watched?.delete(ticket);
    return waiter;
  }

  #sweepSoon(): void {
    this.#sweep ??= this.#timers.after(SWEEP_INTERVAL_MS, () => {
      this.#sweep = undefined;
      const nowMs = this.#clock.monotonicMs();
      for (const [ticket, waiter] of this.#waiters) {
        if (waiter.deadlineMs > nowMs) continue;
        this.reject(ticket, unknown(`no answer within ${waiter.timeoutMs} ms`));
      }
      if (this.#waiters.size > 0) this.#sweepSoon();
    });
  }
}

function unknown(reason: string): ReplicationError {
  return new ReplicationError("COMMIT_UNKNOWN", `the write may or may not take effect: ${reason}`, {
    hint: "retry with the same request id: it is applied once",
  });
}

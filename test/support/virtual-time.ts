import { invariant } from "../../pkg/base/index.js";
import type { Cancel, Clock, Timers } from "../../pkg/runtime/index.js";
import { EventQueue } from "./event-queue.js";
import { NodeTime } from "./node-time.js";
import { settle } from "./settle.js";
import { TraceHash } from "./trace-hash.js";

/** 2026-01-01T00:00:00Z: where simulated wall clocks start unless told otherwise. */
const WALL_START_MS = 1_767_225_600_000;

export interface ClockOptions {
  /** How much faster than true time the clock runs, in millionths; negative is slower. */
  readonly ratePpm?: number;
  /** How far the wall clock is off at the start, in milliseconds. */
  readonly skewMs?: number;
}

export interface RunLimit {
  /** Events to run at most; beyond it the run fails. */
  readonly ticksMax: number;
}

/**
 * The time of a simulated world: a queue of events in whole microseconds, run one at a time, equal
 * times in the order they were scheduled. It is itself a perfect clock with timers; `clock` gives
 * imperfect ones. After each event all promise reactions run to their end (see `settle`), so code
 * that awaits simulated ports takes the same path in every run.
 */
export class VirtualTime implements Clock, Timers {
  /** What happened so far; the simulated ports write to it too. */
  readonly trace = new TraceHash();
  readonly #queue = new EventQueue();
  readonly #wallStartMs: number;
  #nowUs = 0;
  #order = 0;

  constructor(options: { readonly wallStartMs?: number } = {}) {
    this.#wallStartMs = options.wallStartMs ?? WALL_START_MS;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  monotonicMs(): number {
    return this.#nowUs / 1000;
  }

  wallMs(): number {
    return this.#wallStartMs + Math.floor(this.#nowUs / 1000);
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.at(this.#nowUs + toUs(delayMs), run);
  }

  soon(run: () => void): Cancel {
    return this.at(this.#nowUs, run);
  }

  /** Runs `run` at a point of true time, in microseconds; the past counts as now. */
  at(atUs: number, run: () => void): Cancel {
    this.#order += 1;
    const event = { atUs: Math.max(atUs, this.#nowUs), order: this.#order, run, cancelled: false };
    this.#queue.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** A node's own clock and timers, which drift, are off, pause and die with the node. */
  clock(options: ClockOptions = {}): NodeTime {
    return new NodeTime(this, options);
  }

  /** Events waiting to run. */
  pending(): number {
    return this.#queue.pending();
  }

  /** Runs the next event and nothing else, for code without promises. @returns false when none is left */
  step(): boolean {
    const event = this.#queue.shift();
    if (!event) return false;
    this.#nowUs = event.atUs;
    this.trace.note("event", event.atUs, event.order);
    event.run();
    return true;
  }

  /** Runs all that is due within the next `ms` milliseconds of true time, and moves time there. */
  async advance(ms: number): Promise<void> {
    const endUs = this.#nowUs + toUs(ms);
    await settle();
    for (let next = this.#queue.peek(); next && next.atUs <= endUs; next = this.#queue.peek()) {
      this.step();
      await settle();
    }
    this.#nowUs = endUs;
  }

  /**
   * Runs events until the condition holds.
   * @throws Error when `ticksMax` events did not bring it about, or nothing is left that could
   */
  async runUntil(condition: () => boolean, { ticksMax }: RunLimit): Promise<void> {
    await settle();
    for (let ticks = 0; !condition(); ticks += 1) {
      if (ticks >= ticksMax) throw this.#stuck(`after ${ticks} events`);
      if (!this.step()) throw this.#stuck("and no event is left");
      await settle();
    }
  }

  /** Waits for a promise by running events; the same limits as `runUntil`. */
  async run<T>(promise: Promise<T>, limit: RunLimit): Promise<T> {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    await this.runUntil(() => done, limit);
    return promise;
  }

  #stuck(where: string): Error {
    return new Error(`the condition did not come true ${where}, at ${this.monotonicMs()} ms`);
  }
}

/** Whole microseconds, rounded up: a timer never fires before its delay is over. */
export function toUs(ms: number): number {
  invariant(!Number.isNaN(ms), "a delay is a number");
  return Math.min(Math.max(Math.ceil(ms * 1000), 0), Number.MAX_SAFE_INTEGER / 2);
}

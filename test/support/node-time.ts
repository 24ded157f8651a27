import { invariant } from "../../pkg/base/index.js";
import type { Cancel, Clock, Timers } from "../../pkg/runtime/index.js";

const MILLION = 1_000_000;

/** True time, as far as a node's clock needs it. */
interface TrueTime {
  readonly nowUs: number;
  wallMs(): number;
  at(atUs: number, run: () => void): Cancel;
}

/**
 * Clock and timers of one simulated process. `pause` is a stopped process or a blocked event loop:
 * what falls due meanwhile runs at `resume`, all at once, in order. `halt` is its end: nothing that
 * it had scheduled runs any more.
 */
export class NodeTime implements Clock, Timers {
  readonly #time: TrueTime;
  readonly #ratePpm: number;
  #skewMs: number;
  #halted = false;
  #paused = false;
  #overdue: (() => void)[] = [];

  constructor(time: TrueTime, options: { readonly ratePpm?: number; readonly skewMs?: number }) {
    this.#time = time;
    this.#ratePpm = options.ratePpm ?? 0;
    this.#skewMs = options.skewMs ?? 0;
    invariant(
      Number.isSafeInteger(this.#ratePpm) && Math.abs(this.#ratePpm) < MILLION,
      "a clock rate is a whole number of millionths, less than one million",
    );
  }

  monotonicMs(): number {
    return this.#localUs() / 1000;
  }

  wallMs(): number {
    const drift = Math.floor((this.#localUs() - this.#time.nowUs) / 1000);
    return this.#time.wallMs() + drift + this.#skewMs;
  }

  /** The operator, or a time server, sets the wall clock. */
  stepWall(byMs: number): void {
    this.#skewMs += byMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    invariant(!Number.isNaN(delayMs), "a delay is a number");
    const localUs = Math.min(Math.max(Math.ceil(delayMs * 1000), 0), Number.MAX_SAFE_INTEGER / 4);
    const trueUs =
      this.#ratePpm === 0
        ? localUs
        : Math.ceil((localUs / (MILLION + this.#ratePpm)) * MILLION) + 1;
    return this.#at(this.#time.nowUs + trueUs, run);
  }

  soon(run: () => void): Cancel {
    return this.#at(this.#time.nowUs, run);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const overdue = this.#overdue;
    this.#overdue = [];
    for (const run of overdue) this.#time.at(this.#time.nowUs, run);
  }

  halt(): void {
    this.#halted = true;
    this.#overdue = [];
  }

  #at(atUs: number, run: () => void): Cancel {
    let cancelled = false;
    const fire = () => {
      if (cancelled || this.#halted) return;
      if (this.#paused) this.#overdue.push(fire);
      else run();
    };
    const cancel = this.#time.at(atUs, fire);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  #localUs(): number {
    const nowUs = this.#time.nowUs;
    return this.#ratePpm === 0 ? nowUs : nowUs + Math.floor((nowUs * this.#ratePpm) / MILLION);
  }
}

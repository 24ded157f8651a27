import { invariant } from "../../../pkg/base/index.js";
import type { Clock } from "../../../pkg/runtime/index.js";
import type {
  CompareAndSet,
  Delete,
  Expectation,
  Operation,
  Read,
  Value,
  Write,
} from "./operation.js";

/** Gives each moment its whole number, never smaller than the one before. */
export type Order = () => number;

/** Counts moments: exact, for clients of one process. */
export function countedOrder(): Order {
  let count = 0;
  return () => {
    count += 1;
    return count;
  };
}

/**
 * Microseconds of the monotonic clock, for clients in several processes of one machine. The same
 * microsecond counts as overlapping, which can hide a violation but never makes one up.
 */
export function clockOrder(clock: Clock): Order {
  return () => Math.floor(clock.monotonicMs() * 1000);
}

const STILL_OPEN = "still under way";

/** A call under way. It ends once, with what the client learned. */
export interface Pending<Call extends Operation> {
  end(outcome: Call["outcome"]): void;
}

/**
 * Takes down what clients ask and learn. Start an operation just before its request is sent, end it
 * just after its answer was read; a request that is retried under the same request id stays one
 * operation. The version of a change is the log index of its receipt, unless the result says
 * `unchanged`: then leave it out. A client whose operation ended `unknown` goes on under another name or waits: that the
 * old request may still be under way is taken care of.
 */
export class HistoryRecorder {
  readonly #order: Order;
  readonly #ended: Operation[] = [];
  readonly #open = new Map<symbol, () => Operation>();

  constructor(order: Order = countedOrder()) {
    this.#order = order;
  }

  /** Operations under way. */
  get open(): number {
    return this.#open.size;
  }

  read(client: string, key: string): Pending<Read> {
    return this.#start<Read>({ kind: "failed", reason: STILL_OPEN }, (rest) => ({
      call: "read",
      key,
      client,
      ...rest,
    }));
  }

  write(client: string, key: string, value: Value): Pending<Write> {
    return this.#start<Write>({ kind: "unknown", reason: STILL_OPEN }, (rest) => ({
      call: "write",
      key,
      client,
      value,
      ...rest,
    }));
  }

  /** @param value - `null` deletes */
  cas(
    client: string,
    key: string,
    expect: Expectation,
    value: Value | null,
  ): Pending<CompareAndSet> {
    return this.#start<CompareAndSet>({ kind: "unknown", reason: STILL_OPEN }, (rest) => ({
      call: "cas",
      key,
      client,
      expect,
      value,
      ...rest,
    }));
  }

  delete(client: string, key: string): Pending<Delete> {
    return this.#start<Delete>({ kind: "unknown", reason: STILL_OPEN }, (rest) => ({
      call: "delete",
      key,
      client,
      ...rest,
    }));
  }

  /** All so far; of what is still under way, a read has failed and anything else is unknown. */
  history(): Operation[] {
    return [...this.#ended, ...[...this.#open.values()].map((close) => close())];
  }

  #start<Call extends Operation>(
    unanswered: Call["outcome"],
    operation: (rest: Pick<Call, "invokedAt" | "returnedAt" | "outcome">) => Call,
  ): Pending<Call> {
    const invokedAt = this.#order();
    const id = Symbol("operation");
    const close = (outcome: Call["outcome"]) =>
      operation({ invokedAt, returnedAt: this.#order(), outcome });
    this.#open.set(id, () => close(unanswered));
    return {
      end: (outcome) => {
        invariant(this.#open.delete(id), "an operation ends once");
        this.#ended.push(close(outcome));
      },
    };
  }
}

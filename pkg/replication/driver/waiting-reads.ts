import type { LogIndex, Position } from "../../base/index.js";
import { ReplicationError } from "../errors.js";
import type { ReadLevel } from "../replicator.js";

/** What a reader asks of its node. */
export interface ReadRequest {
  readonly level: ReadLevel;
  /** The state must have reached this index (a bookmark); 0: none. */
  readonly after: number;
  /** `ONE` only: refused when this node is further behind. */
  readonly maxLagEntries: number | null;
  /** After so many milliseconds nobody waits any more. */
  readonly timeoutMs: number;
  /** The one thing that is looked at; missing: many. */
  readonly key?: string | undefined;
}

interface Waiter {
  readonly ticket: number;
  readonly index: number;
  readonly deadlineMs: number;
}

/** Reads that wait until this node has applied what they must see. */
export class WaitingReads {
  readonly #max: number;
  #waiters: Waiter[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  /** @returns an error when too many wait already */
  add(ticket: number, index: number, deadlineMs: number): ReplicationError | undefined {
    if (this.#waiters.length >= this.#max) {
      return new ReplicationError("OVERLOADED", `${this.#max} reads are waiting already`, {
        retryAfterMs: 100,
      });
    }
    this.#waiters.push({ ticket, index, deadlineMs });
    return undefined;
  }

  /** @returns those that wait for nothing more */
  reached(applied: LogIndex): readonly number[] {
    if (this.#waiters.length === 0) return [];
    const ready = this.#waiters.filter(({ index }) => index <= applied);
    if (ready.length === 0) return [];
    this.#waiters = this.#waiters.filter(({ index }) => index > applied);
    return ready.map(({ ticket }) => ticket);
  }

  /** @returns those whose time is over */
  expired(nowMs: number): readonly number[] {
    const late = this.#waiters.filter(({ deadlineMs }) => deadlineMs <= nowMs);
    if (late.length > 0) {
      this.#waiters = this.#waiters.filter(({ deadlineMs }) => deadlineMs > nowMs);
    }
    return late.map(({ ticket }) => ticket);
  }
}

/** A read that this node is too far behind for. */
export function lagging(applied: Position): ReplicationError {
  return new ReplicationError(
    "LAGGING",
    `this node is at entry ${applied.index} and did not reach what the read must see in time`,
    {
      retryAfterMs: 100,
      hint: "ask again, or another node; a bookmark may also be of another cluster or from before a restore",
    },
  );
}

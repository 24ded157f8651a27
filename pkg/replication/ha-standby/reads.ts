import {
  type JsonValue,
  type LogIndex,
  type NodeId,
  type Position,
  toLogIndex,
} from "../../base/index.js";
import type { Timers } from "../../runtime/index.js";
import type { Order } from "../driver/mode.js";
import { ReplicationError } from "../errors.js";
import type { ReadLevel } from "../replicator.js";

export interface HaReadsParts {
  readonly self: NodeId;
  /** All other nodes of the pair. */
  readonly peers: readonly { readonly id: NodeId }[];
  readonly timers: Timers;
  /** Longest that a node may take to apply what a read at ALL must see there. */
  readonly hereMs: number;
  nameOf(id: NodeId): NodeId;
  primary(): NodeId | null;
  position(): Position;
  /** Into this node's core; ends in `ready` or `refused`. */
  ask(ticket: number): void;
  /** Has that node carry out an order. */
  order(node: NodeId, order: Order): Promise<JsonValue | ReplicationError>;
  /** Why strong reads are refused here; undefined: they are not. */
  quarantine(): ReplicationError | undefined;
  settle(ticket: number, outcome: Position | ReplicationError): void;
}

/** What a node is asked for a read at ALL: a confirmed read of its own, once its state has it. */
export const READ_HERE = "read here";
/** Reads at ALL of other nodes that wait here. */
const HERE_MAX = 1_000;

type Outcome = Position | ReplicationError;

interface WaitingHere {
  readonly index: LogIndex;
  readonly done: (isApplied: boolean) => void;
}

/** HB-20, HB-22: what a read at each level must have seen. */
export class HaReads {
  readonly #parts: HaReadsParts;
  readonly #open = new Set<number>();
  /** Reads at QUORUM that are part of one at ALL. */
  readonly #inner = new Map<number, (outcome: Outcome) => void>();
  readonly #waiting = new Set<WaitingHere>();
  #lastInner = 0;

  constructor(parts: HaReadsParts) {
    this.#parts = parts;
  }

  begin(ticket: number, level: ReadLevel): void {
    const { settle, position, quarantine } = this.#parts;
    if (level === "ONE" || level === "LOCAL_ONE") {
      settle(ticket, position());
      return;
    }
    const quarantined = quarantine();
    if (quarantined !== undefined) settle(ticket, quarantined);
    else if (level === "ALL") void this.#everywhere().then((outcome) => settle(ticket, outcome));
    else this.#confirm(ticket);
  }

  /** A confirmed read for another node's read at ALL, answered once it is applied here. */
  async here(): Promise<JsonValue> {
    const outcome = this.#parts.quarantine() ?? (await this.#confirmed());
    if (outcome instanceof ReplicationError) throw outcome;
    const { index, term } = outcome;
    if (!(await this.#applied(index))) throw lagging(`entry ${index} is not applied here`);
    return { index, term };
  }

  /** Something may have been applied. */
  release(): void {
    if (this.#waiting.size === 0) return;
    const { index } = this.#parts.position();
    for (const one of this.#waiting) if (one.index <= index) one.done(true);
  }

  ready(ticket: number, index: LogIndex): boolean {
    if (!this.#open.delete(ticket)) return false;
    this.#settle(ticket, { index, term: this.#parts.position().term });
    return true;
  }

  /** @returns false when the ticket is not of a read */
  refused(ticket: number, error: ReplicationError): boolean {
    if (!this.#open.delete(ticket)) return false;
    this.#settle(ticket, error);
    return true;
  }

  async #everywhere(): Promise<Outcome> {
    const { peers, nameOf, order } = this.#parts;
    const own = await this.#confirmed();
    if (own instanceof ReplicationError) return own;
    const answers = await Promise.all(
      peers.map(async ({ id }) => {
        const answer = await order(id, { action: READ_HERE, args: {} });
        return answer instanceof ReplicationError ? [`${nameOf(id)} (${answer.message})`] : [];
      }),
    );
    const missing = answers.flat();
    if (missing.length === 0) return own;
    return lagging(`not every node has entry ${own.index}: ${missing.join(", ")}`);
  }

  /** Negative fractions: no client, no other node's write and no order has such a ticket. */
  #confirmed(): Promise<Outcome> {
    this.#lastInner -= 1;
    const ticket = this.#lastInner - 0.5;
    return new Promise((settle) => {
      this.#inner.set(ticket, settle);
      this.#confirm(ticket);
    });
  }

  #confirm(ticket: number): void {
    const { primary, self, ask } = this.#parts;
    const leader = primary();
    if (leader !== null && leader !== self) {
      void this.#askPrimary(ticket, leader);
      return;
    }
    this.#open.add(ticket);
    ask(ticket);
  }

  #settle(ticket: number, outcome: Outcome): void {
    const inner = this.#inner.get(ticket);
    this.#inner.delete(ticket);
    if (inner === undefined) this.#parts.settle(ticket, outcome);
    else inner(outcome);
  }

  /** @returns false when it takes too long */
  #applied(index: LogIndex): Promise<boolean> {
    const { position, timers, hereMs } = this.#parts;
    if (position().index >= index) return Promise.resolve(true);
    if (this.#waiting.size >= HERE_MAX) return Promise.resolve(false);
    return new Promise((resolve) => {
      const cancel = timers.after(hereMs, () => waiting.done(false));
      const waiting: WaitingHere = {
        index,
        done: (isApplied) => {
          cancel();
          this.#waiting.delete(waiting);
          resolve(isApplied);
        },
      };
      this.#waiting.add(waiting);
    });
  }

  async #askPrimary(ticket: number, primary: NodeId): Promise<void> {
    const { order, position } = this.#parts;
    const outcome = await order(primary, { action: "read index", args: {} });
    if (outcome instanceof ReplicationError) {
      const isUnknown = outcome.code === "COMMIT_UNKNOWN";
      const error = isUnknown ? new ReplicationError("NO_LEADER", outcome.message) : outcome;
      this.#settle(ticket, error);
      return;
    }
    const { index } = Object(outcome) as { readonly index: number };
    this.#settle(ticket, { index: toLogIndex(index), term: position().term });
  }
}

function lagging(text: string): ReplicationError {
  return new ReplicationError("LAGGING", text, {
    retryAfterMs: 1_000,
    hint: "level QUORUM sees every acknowledged write, without waiting for all nodes",
  });
}

import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";

export interface RaftReadsParts {
  readonly clock: Clock;
  /** Longest that a read looks for a leader, in milliseconds. */
  readonly patienceMs: number;
  leader(): NodeId | null;
  readonly self: NodeId;
  ask(ticket: number, level: "LEADER" | "QUORUM"): void;
  /** The newest uncommitted entry of this leader's log that writes the key. */
  blockedBy(key: string): LogIndex | undefined;
  applied(): LogIndex;
  settle(ticket: number, outcome: Position | ReplicationError): void;
  /** What a read is told that has found no leader in time. */
  noLeader(): ReplicationError;
}

interface Read {
  readonly ticket: number;
  readonly level: "LEADER" | "QUORUM";
  /** The one thing that it looks at, if it is one. */
  readonly key: string | undefined;
  readonly sinceMs: number;
}

/** A confirmed read of a key that an uncommitted entry writes. */
interface Held {
  readonly read: Read;
  readonly position: Position;
  readonly until: LogIndex;
}

/** Reads that may wait for keys under way; one more is `OVERLOADED`. */
const HELD_READS_MAX = 10_000;

/** Reads that need the leader's word; while there is no leader they wait a moment for one. */
export class RaftReads {
  readonly #parts: RaftReadsParts;
  readonly #reads = new Map<number, Read>();
  #parked: Read[] = [];
  #held: Held[] = [];

  constructor(parts: RaftReadsParts) {
    this.#parts = parts;
  }

  begin(ticket: number, level: "LEADER" | "QUORUM", key: string | undefined): void {
    const read: Read = { ticket, level, key, sinceMs: this.#parts.clock.monotonicMs() };
    this.#reads.set(ticket, read);
    this.#ask(read);
  }

  /** Only the leader has a lease; any other node asks it, which promises no less. */
  #ask({ ticket, level }: Read): void {
    const leads = this.#parts.leader() === this.#parts.self;
    this.#parts.ask(ticket, leads ? level : "QUORUM");
  }

  /** RB-6: a leader's own reads wait for what is under way to the key they look at. */
  ready(ticket: number, index: LogIndex, term: Term): void {
    const read = this.#reads.get(ticket);
    if (read === undefined) return;
    const position = { index, term };
    const leads = this.#parts.leader() === this.#parts.self;
    const until = leads && read.key !== undefined ? this.#parts.blockedBy(read.key) : undefined;
    if (until === undefined) this.#settle(read, position);
    else if (this.#held.length < HELD_READS_MAX) this.#held.push({ read, position, until });
    else this.#settle(read, tooMany());
  }

  /** Looks after reads that wait for a key; called after every step. */
  release(): void {
    if (this.#held.length === 0) return;
    const { leader, self, applied } = this.#parts;
    const leads = leader() === self;
    const rest: Held[] = [];
    for (const held of this.#held) {
      if (applied() >= held.until) this.#settle(held.read, { ...held.position, index: held.until });
      else if (leads) rest.push(held);
      else this.#parked.push(held.read);
    }
    this.#held = rest;
  }

  #settle(read: Read, outcome: Position | ReplicationError): void {
    this.#reads.delete(read.ticket);
    this.#parts.settle(read.ticket, outcome);
  }

  /** @returns false when the ticket is not of a read */
  refused(ticket: number, error: ReplicationError): boolean {
    const read = this.#reads.get(ticket);
    if (read === undefined) return false;
    const elsewhere = error.code === "NOT_LEADER" || error.code === "NO_LEADER";
    if (elsewhere && !this.#isLate(read)) this.#parked.push(read);
    else this.#settle(read, error);
    return true;
  }

  retry(): void {
    if (this.#parked.length === 0) return;
    const parked = this.#parked;
    this.#parked = [];
    for (const read of parked) {
      if (this.#parts.leader() !== null) this.#ask(read);
      else if (!this.#isLate(read)) this.#parked.push(read);
      else this.#settle(read, this.#parts.noLeader());
    }
  }

  #isLate(read: Read): boolean {
    return this.#parts.clock.monotonicMs() - read.sinceMs >= this.#parts.patienceMs;
  }
}

function tooMany(): ReplicationError {
  const text = `${HELD_READS_MAX} reads wait for writes under way already`;
  return new ReplicationError("OVERLOADED", text, { retryAfterMs: 100 });
}

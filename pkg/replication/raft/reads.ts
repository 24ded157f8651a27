import type { LogIndex, NodeId, Position, Term } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { ReadLevel } from "../replicator.js";

export interface RaftReadsParts {
  readonly clock: Clock;
  /** Longest that a read looks for a leader, in milliseconds. */
  readonly patienceMs: number;
  leader(): NodeId | null;
  readonly self: NodeId;
  ask(ticket: number, level: "LEADER" | "QUORUM"): void;
  settle(ticket: number, outcome: Position | ReplicationError): void;
  /** What a read is told that has found no leader in time. */
  noLeader(): ReplicationError;
}

interface Read {
  readonly ticket: number;
  readonly level: "LEADER" | "QUORUM";
  readonly sinceMs: number;
}

/** Reads that need the leader's word; while there is no leader they wait a moment for one. */
export class RaftReads {
  readonly #parts: RaftReadsParts;
  readonly #reads = new Map<number, Read>();
  #parked: Read[] = [];

  constructor(parts: RaftReadsParts) {
    this.#parts = parts;
  }

  begin(ticket: number, level: ReadLevel): void {
    if (level === "ALL") {
      const text = "consistency: raft has no level ALL";
      const details = {
        field: "consistency",
        hint: "use QUORUM: it sees every acknowledged write",
      };
      this.#parts.settle(ticket, new ReplicationError("INVALID", text, details));
      return;
    }
    const core = level === "LEADER" ? "LEADER" : "QUORUM";
    const read: Read = { ticket, level: core, sinceMs: this.#parts.clock.monotonicMs() };
    this.#reads.set(ticket, read);
    this.#ask(read);
  }

  /** Only the leader has a lease; any other node asks it, which promises no less. */
  #ask({ ticket, level }: Read): void {
    const leads = this.#parts.leader() === this.#parts.self;
    this.#parts.ask(ticket, leads ? level : "QUORUM");
  }

  ready(ticket: number, index: LogIndex, term: Term): void {
    if (this.#reads.delete(ticket)) this.#parts.settle(ticket, { index, term });
  }

  /** @returns false when the ticket is not of a read */
  refused(ticket: number, error: ReplicationError): boolean {
    const read = this.#reads.get(ticket);
    if (read === undefined) return false;
    const elsewhere = error.code === "NOT_LEADER" || error.code === "NO_LEADER";
    if (elsewhere && !this.#isLate(read)) this.#parked.push(read);
    else {
      this.#reads.delete(ticket);
      this.#parts.settle(ticket, error);
    }
    return true;
  }

  retry(): void {
    if (this.#parked.length === 0) return;
    const parked = this.#parked;
    this.#parked = [];
    for (const read of parked) {
      if (this.#parts.leader() !== null) this.#ask(read);
      else if (!this.#isLate(read)) this.#parked.push(read);
      else {
        this.#reads.delete(read.ticket);
        this.#parts.settle(read.ticket, this.#parts.noLeader());
      }
    }
  }

  #isLate(read: Read): boolean {
    return this.#parts.clock.monotonicMs() - read.sinceMs >= this.#parts.patienceMs;
  }
}

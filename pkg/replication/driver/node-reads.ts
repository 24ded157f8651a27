import type { Position } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import type { CoreView } from "./effects.js";
import { lagging, type ReadRequest, WaitingReads } from "./waiting-reads.js";

export interface NodeReadsParts {
  readonly clock: Clock;
  readonly pendingReadsMax: number;
  view(): CoreView;
  applied(): Position;
  /** Into the mode; settled through `settled`. */
  ask(ticket: number, request: ReadRequest): void;
  answer(ticket: number, outcome: Position | ReplicationError): void;
}

/** Reads from their question to the moment when this node has what they must see. */
export class NodeReads {
  readonly #parts: NodeReadsParts;
  /** Reads that the mode has not settled yet. */
  readonly #asked = new Map<number, ReadRequest>();
  readonly #waiting: WaitingReads;

  constructor(parts: NodeReadsParts) {
    this.#parts = parts;
    this.#waiting = new WaitingReads(parts.pendingReadsMax);
  }

  begin(ticket: number, request: ReadRequest): void {
    const failure = this.#lagError(request);
    if (failure !== undefined) {
      this.#parts.answer(ticket, failure);
      return;
    }
    this.#asked.set(ticket, request);
    this.#parts.ask(ticket, request);
  }

  #lagError({ level, maxLagEntries }: ReadRequest): ReplicationError | undefined {
    if (level !== "ONE" || maxLagEntries === null) return undefined;
    const { commitIndex, appliedIndex } = this.#parts.view();
    const lag = commitIndex - appliedIndex;
    if (lag <= maxLagEntries) return undefined;
    return new ReplicationError("LAGGING", `this node is ${lag} entries behind`, {
      retryAfterMs: 100,
    });
  }

  /** The mode knows what the read must see. */
  settled(ticket: number, outcome: Position | ReplicationError): void {
    const { answer, applied, clock } = this.#parts;
    const request = this.#asked.get(ticket);
    this.#asked.delete(ticket);
    if (outcome instanceof ReplicationError || request === undefined) {
      answer(ticket, outcome);
      return;
    }
    const wanted = Math.max(outcome.index, request.after);
    if (wanted <= applied().index) {
      answer(ticket, applied());
      return;
    }
    const deadlineMs = clock.monotonicMs() + request.timeoutMs;
    const refused = this.#waiting.add(ticket, wanted, deadlineMs);
    if (refused !== undefined) answer(ticket, refused);
  }

  /** Called after every step. */
  release(): void {
    const applied = this.#parts.applied();
    for (const ticket of this.#waiting.reached(applied.index)) this.#parts.answer(ticket, applied);
  }

  /** Ends the reads whose time is over; called now and then. */
  expire(): void {
    for (const ticket of this.#waiting.expired(this.#parts.clock.monotonicMs())) {
      this.#parts.answer(ticket, lagging(this.#parts.applied()));
    }
  }
}

import type { NodeId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";

export interface ForwarderParts {
  readonly clock: Clock;
  /** Longest that a write looks for a leader before it is refused, in milliseconds. */
  readonly patienceMs: number;
  /** Longest that a write whose fate is unknown is tried again under its request id. */
  readonly retryMs: number;
  readonly self: NodeId;
  /** Who leads, as far as this node knows. */
  leader(): NodeId | null;
  /** Into this node's own core; answered through `answered`. */
  propose(proposals: readonly Proposal[]): void;
  /** To another node; rejects when no answer came, whatever became of the writes. */
  forward(leader: NodeId, writes: readonly ForwardedWrite[]): Promise<readonly ForwardedAnswer[]>;
  answer(answers: readonly Answer[]): void;
  /** What the writes are told that nobody has taken. */
  noLeader(): ReplicationError;
}

/** What another node is told of a write. */
export type ForwardedWrite = Pick<Proposal, "payload" | "durability">;

/** `Answer` without the ticket, in the order of the writes. */
export type ForwardedAnswer =
  | Omit<Extract<Answer, { readonly result: unknown }>, "ticket">
  | { readonly refused: ReplicationError };

interface Write {
  readonly proposal: Proposal;
  readonly sinceMs: number;
  /** Some attempt may have been logged: only an answer or the end of patience settles it. */
  maybe: boolean;
}

/** Refusals that say nothing about the write, only that this was not the place or the moment. */
const ELSEWHERE: ReadonlySet<string> = new Set(["NOT_LEADER", "NO_LEADER"]);

/**
 * Finds the leader for this node's writes. A write is tried again while leaders change: its request
 * id makes sure that it takes effect once, however often it was logged (D9).
 */
export class Forwarder {
  readonly #parts: ForwarderParts;
  readonly #writes = new Map<number, Write>();
  #parked: Write[] = [];

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
  }

  submit(proposals: readonly Proposal[]): void {
    const sinceMs = this.#parts.clock.monotonicMs();
    const writes = proposals.map((proposal) => ({ proposal, sinceMs, maybe: false }));
    for (const write of writes) this.#writes.set(write.proposal.ticket, write);
    this.#send(writes);
  }

  /** @returns the answers that are final; the other writes are tried again */
  answered(answers: readonly Answer[]): readonly Answer[] {
    if (this.#writes.size === 0) return answers;
    const final: Answer[] = [];
    for (const answer of answers) {
      const write = this.#writes.get(answer.ticket);
      if (write !== undefined && "refused" in answer) {
        if (this.#goesOn(write, answer.refused)) this.#parked.push(write);
        else final.push(this.#refusal(write, answer.refused));
        continue;
      }
      this.#writes.delete(answer.ticket);
      final.push(answer);
    }
    return final;
  }

  /** Tries again what waits for a leader; called at every tick and when the leader changes. */
  retry(): void {
    if (this.#parked.length === 0) return;
    if (this.#parts.leader() !== null) this.#send(this.#parked.splice(0));
    else this.#expire();
  }

  /** Writes that nobody has taken are refused: this node is leaving. */
  close(): void {
    const error = new ReplicationError("SHUTTING_DOWN", "this node is stopping");
    this.#parts.answer(this.#parked.splice(0).map((write) => this.#refusal(write, error)));
  }

  #goesOn(write: Write, error: ReplicationError): boolean {
    if (error.details.committed !== undefined) return false;
    const unknown = error.code === "COMMIT_UNKNOWN";
    if (unknown) write.maybe = true;
    // An earlier attempt may be what is in the way, or have been cut: only time tells.
    const inTheWay = write.maybe && error.code === "KEY_BLOCKED";
    if (!unknown && !inTheWay && !ELSEWHERE.has(error.code)) return false;
    return !this.#isLate(write);
  }

  #isLate(write: Write): boolean {
    const { clock, patienceMs, retryMs } = this.#parts;
    return clock.monotonicMs() - write.sinceMs >= (write.maybe ? retryMs : patienceMs);
  }

  #send(writes: readonly Write[]): void {
    const leader = this.#parts.leader();
    if (leader === null) this.#parked.push(...writes);
    else if (leader === this.#parts.self) {
      this.#parts.propose(writes.map(({ proposal }) => proposal));
    } else void this.#forward(leader, writes);
  }

  async #forward(leader: NodeId, writes: readonly Write[]): Promise<void> {
    const proposals = writes.map(({ proposal }) => proposal);
    let answers: readonly ForwardedAnswer[];
    try {
      answers = await this.#parts.forward(leader, proposals);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const refused = new ReplicationError("COMMIT_UNKNOWN", `${leader} did not answer: ${reason}`);
      answers = writes.map(() => ({ refused }));
    }
    const own = writes.map(({ proposal: { ticket } }, at): Answer => {
      const answer = answers[at];
      if (answer !== undefined) return { ticket, ...fromLeader(answer) };
      return { ticket, refused: new ReplicationError("COMMIT_UNKNOWN", "an answer is missing") };
    });
    this.#parts.answer(this.answered(own));
  }

  #expire(): void {
    const late = this.#parked.filter((write) => this.#isLate(write));
    if (late.length === 0) return;
    this.#parked = this.#parked.filter((write) => !late.includes(write));
    const error = this.#parts.noLeader();
    this.#parts.answer(late.map((write) => this.#refusal(write, error)));
  }

  #refusal(write: Write, error: ReplicationError): Answer {
    const { ticket } = write.proposal;
    this.#writes.delete(ticket);
    if (!write.maybe || error.code === "COMMIT_UNKNOWN") return { ticket, refused: error };
    const message = `the write may or may not take effect: ${error.message}`;
    return { ticket, refused: new ReplicationError("COMMIT_UNKNOWN", message) };
  }
}

/** A leader that stops hands over: that is its end, not that of the write. */
function fromLeader(answer: ForwardedAnswer): ForwardedAnswer {
  if (!("refused" in answer) || answer.refused.code !== "SHUTTING_DOWN") return answer;
  return { refused: new ReplicationError("NO_LEADER", answer.refused.message) };
}

import type { LogIndex, RegionId, RequestId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";

export interface RegionWaitsParts {
  readonly clock: Clock;
  readonly self: RegionId;
  /** Every write waits; else those that ask for it. */
  readonly all: boolean;
  /** Longest that an answer waits for another region, in milliseconds. */
  readonly patienceMs: number;
  /** Into the core; `released` follows unless `forsake` comes before. */
  wait(request: RequestId, seq: number): void;
  forsake(request: RequestId): void;
  /** Ends writes. */
  answer(answers: readonly Answer[]): void;
}

type Done = Extract<Answer, { readonly result: unknown }>;

interface Group {
  readonly answers: readonly Done[];
  readonly untilMs: number;
}

/**
 * MR-47: answers of writes that wait until another region contains them. Which of the region's
 * changes a write made nobody says; once the state was looked at after it, it is one of those.
 */
export class RegionWaits {
  readonly #parts: RegionWaitsParts;
  /** Tickets of writes that ask for another region. */
  readonly #asking = new Set<number>();
  /** Applied, and the state was not looked at since. */
  #fresh: Done[] = [];
  readonly #groups = new Map<RequestId, Group>();
  #last = 0;

  constructor(parts: RegionWaitsParts) {
    this.#parts = parts;
  }

  /** Writes wait that nobody looked at the state for yet. */
  get areFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** Writes on their way to the core, of this node's clients or of others'. */
  asked(proposals: readonly Proposal[]): void {
    for (const { ticket, durability } of proposals) {
      if (durability === "region") this.#asking.add(ticket);
    }
  }

  /** @returns the answers that need not wait */
  hold(answers: readonly Answer[]): readonly Answer[] {
    return answers.filter((answer) => {
      const waits = this.#mustWait(answer);
      this.#asking.delete(answer.ticket);
      if (waits) this.#fresh.push(answer as Done);
      return !waits;
    });
  }

  /** Writes have whole numbers for tickets; nobody waits for one that was refused by the state. */
  #mustWait(answer: Answer): boolean {
    if ("refused" in answer || !answer.result.ok || !Number.isInteger(answer.ticket)) return false;
    return this.#parts.all || this.#asking.has(answer.ticket);
  }

  /** @param seq - changes of this region as of that entry, or a later one */
  appliedUpTo(index: LogIndex, seq: number): void {
    if (this.#fresh.length === 0) return;
    const answers = this.#fresh.filter(({ result }) => result.index <= index);
    if (answers.length === 0) return;
    this.#fresh = this.#fresh.filter(({ result }) => result.index > index);
    this.#last += 1;
    const request = `wait-${this.#last}` as RequestId;
    const untilMs = this.#parts.clock.monotonicMs() + this.#parts.patienceMs;
    this.#groups.set(request, { answers, untilMs });
    this.#parts.wait(request, seq);
  }

  released(request: RequestId, reached: boolean): void {
    const group = this.#groups.get(request);
    if (group === undefined) return;
    this.#groups.delete(request);
    if (reached) {
      this.#parts.answer(group.answers.map((answer) => ({ ...answer, durability: "region" })));
    } else this.#giveUp(group.answers, "the leader of the region changed, or too many wait");
  }

  /** Called at every tick. */
  tick(): void {
    if (this.#groups.size === 0) return;
    const nowMs = this.#parts.clock.monotonicMs();
    for (const [request, { answers, untilMs }] of this.#groups) {
      if (untilMs > nowMs) return;
      this.#groups.delete(request);
      this.#parts.forsake(request);
      this.#giveUp(answers, `no other region said so within ${this.#parts.patienceMs} ms`);
    }
  }

  /** This node leads no more, or is leaving: what waits will not be heard here. */
  end(reason: string): void {
    for (const [request, { answers }] of [...this.#groups]) {
      this.#groups.delete(request);
      this.#parts.forsake(request);
      this.#giveUp(answers, reason);
    }
    this.#giveUp(this.#fresh.splice(0), reason);
  }

  #giveUp(answers: readonly Done[], reason: string): void {
    if (answers.length === 0) return;
    this.#parts.answer(
      answers.map(({ ticket, result: { index }, term }) => ({
        ticket,
        refused: new ReplicationError(
          "COMMIT_UNKNOWN",
          `the write is committed in region "${this.#parts.self}" and stays there, as entry ${index}; whether another region has it is not known: ${reason}`,
          {
            committed: { index, term },
            hint: "it goes to the other regions as soon as they can be reached; nothing has to be written again",
          },
        ),
      })),
    );
  }
}

import { type Deferred, deferred, type NodeId } from "../../base/index.js";
import type { Clock } from "../../runtime/index.js";
import { ReplicationError } from "../errors.js";
import { MessageType, type PeerMessage } from "../ports/index.js";

/** Questions of one peer and kind that have no answer yet; one more drops the oldest. */
const OPEN_QUESTIONS_MAX = 4_096;
/** The answer to a message that needs none of its own. */
export const TAKEN: PeerMessage = { type: MessageType.taken, payload: null };

interface Question {
  readonly answer: Deferred<PeerMessage>;
  /** Last entry it brought; 0 when it brought none. */
  readonly upTo: number;
  readonly sinceMs: number;
}

/** Messages of other nodes that wait for what the core will say to them. */
export class OpenQuestions {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #open = new Map<string, Question[]>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  ask(from: NodeId, kind: string, upTo: number): Promise<PeerMessage> {
    const key = `${kind} ${from}`;
    const questions = this.#open.get(key) ?? [];
    this.#open.set(key, questions);
    if (questions.length >= OPEN_QUESTIONS_MAX) drop(questions.shift(), "too many questions");
    const answer = deferred<PeerMessage>();
    questions.push({ answer, upTo, sinceMs: this.#clock.monotonicMs() });
    return answer.promise;
  }

  /**
   * Answers the oldest, and tells those behind it that `upTo` covers that they were heard: one sync
   * may answer many appends.
   * @returns false when nothing was open
   */
  answer(to: NodeId, kind: string, message: PeerMessage, upTo: number): boolean {
    const questions = this.#open.get(`${kind} ${to}`);
    const oldest = questions?.shift();
    oldest?.answer.resolve(message);
    let next = questions?.[0];
    while (next !== undefined && next.upTo > 0 && next.upTo <= upTo) {
      questions?.shift()?.answer.resolve(TAKEN);
      next = questions?.[0];
    }
    return oldest !== undefined;
  }

  /** Drops what nobody waits for any more; called now and then. */
  sweep(): void {
    const beforeMs = this.#clock.monotonicMs() - this.#timeoutMs;
    for (const questions of this.#open.values()) {
      while (questions[0] !== undefined && questions[0].sinceMs < beforeMs) {
        drop(questions.shift(), "the question had no answer");
      }
    }
  }

  close(): void {
    for (const questions of this.#open.values()) {
      for (const question of questions.splice(0)) drop(question, "this node is stopping");
    }
  }
}

function drop(question: Question | undefined, reason: string): void {
  question?.answer.reject(new ReplicationError("NO_LEADER", reason));
}

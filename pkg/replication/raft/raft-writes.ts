import type { LogIndex } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import { Writes, type WritesParts } from "../forwarding/index.js";
import { LeaderWrites, type LeaderWritesParts } from "./leader-writes.js";

export interface RaftWritesParts
  extends Omit<LeaderWritesParts, "answer">,
    Omit<WritesParts, "propose" | "answer"> {
  /** Into the core. */
  propose: LeaderWritesParts["propose"];
  /** Ends writes that the core never sees. */
  answer(answers: readonly Answer[]): void;
  /** Answers of this node's own clients that did not come through the core. */
  settle(answers: readonly Answer[]): void;
}

/** The ways of a write, with what a leader looks at before its core. */
export class RaftWrites extends Writes {
  readonly #here: LeaderWrites;

  constructor(parts: RaftWritesParts) {
    const here = new LeaderWrites(parts);
    super({
      ...parts,
      propose: (proposals) => here.take(proposals),
      answer: (answers) => parts.settle(answers),
    });
    this.#here = here;
  }

  /** @returns the newest uncommitted entry that writes the key; undefined: it is not blocked */
  blockedBy(key: string): LogIndex | undefined {
    return this.#here.blockedBy(key);
  }

  /** Called at every tick. */
  tick(): void {
    this.retry();
    this.#here.tick();
  }

  /** Called after every step. */
  release(): void {
    this.#here.release();
  }
}

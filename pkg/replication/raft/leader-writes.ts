import type { LogIndex } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import type { LogStore } from "../ports/index.js";
import type { KeysOf } from "./blocked-keys.js";
import { BlockedWrites } from "./blocked-writes.js";
import type { RaftState } from "./core/state.js";

export interface LeaderWritesParts {
  readonly log: LogStore;
  /** Missing: no key is ever blocked. */
  readonly keysOf: KeysOf | undefined;
  /** See `BlockedWritesParts`. */
  readonly outageMs: number;
  silentMs(): number;
  state(): RaftState;
  /** Into the core. */
  propose(proposals: readonly Proposal[]): void;
  /** Ends writes that the core never sees. */
  answer(answers: readonly Answer[]): void;
}

/**
 * What a write meets before the core. RB-9: one that reaches a new leader before it may take any
 * (RA-13) waits for that moment, which is one commit away, or for the end of its leadership; who
 * sent it would only send it again. Those are bounded by the writes that clients and other nodes
 * may have under way.
 */
export class LeaderWrites {
  readonly #parts: LeaderWritesParts;
  readonly #blocked: BlockedWrites | undefined;
  #early: Proposal[] = [];

  constructor(parts: LeaderWritesParts) {
    const { keysOf } = parts;
    this.#parts = parts;
    this.#blocked = keysOf && new BlockedWrites({ ...parts, keysOf });
  }

  /** @returns the newest uncommitted entry that writes the key; undefined: it is not blocked */
  blockedBy(key: string): LogIndex | undefined {
    return this.#blocked?.by(key);
  }

  tick(): void {
    this.#blocked?.tick();
  }

  take(proposals: readonly Proposal[]): void {
    const sorted = this.#blocked?.sort(proposals) ?? { accepted: proposals, refused: [] };
    if (isEarly(this.#parts.state())) {
      for (const proposal of sorted.accepted) this.#early.push(proposal);
    } else if (sorted.accepted.length > 0) this.#parts.propose(sorted.accepted);
    if (sorted.refused.length > 0) this.#parts.answer(sorted.refused);
  }

  /** Called after every step. */
  release(): void {
    if (this.#early.length > 0 && !isEarly(this.#parts.state())) this.take(this.#early.splice(0));
  }
}

function isEarly({ lead, hard, phase }: RaftState): boolean {
  return phase === "ready" && lead !== null && hard.commit < lead.readyIndex;
}

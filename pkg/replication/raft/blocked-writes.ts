import type { LogIndex } from "../../base/index.js";
import type { Answer } from "../driver/driver.js";
import type { Proposal } from "../driver/effects.js";
import { ReplicationError } from "../errors.js";
import type { LogStore } from "../ports/index.js";
import { BlockedKeys, type KeysOf } from "./blocked-keys.js";
import type { RaftState } from "./core/state.js";

export interface BlockedWritesParts {
  readonly log: LogStore;
  readonly keysOf: KeysOf;
  /** A leader that has not heard a quorum for longer has a write outage, in milliseconds. */
  readonly outageMs: number;
  state(): RaftState;
  /** Since a quorum was last heard, in milliseconds. */
  silentMs(): number;
}

export interface SortedWrites {
  readonly accepted: readonly Proposal[];
  readonly refused: readonly Answer[];
}

/** RB-7: while nothing is committed, a second write of a key is refused, not queued. */
export class BlockedWrites {
  readonly #parts: BlockedWritesParts;
  readonly #keys: BlockedKeys;
  /** As of the last tick: too dear to look at for every batch. */
  #isOutage = false;

  constructor(parts: BlockedWritesParts) {
    const { log, keysOf, state } = parts;
    this.#parts = parts;
    this.#keys = new BlockedKeys({ log, keysOf, commit: () => state().hard.commit });
  }

  /** @returns the newest uncommitted entry that writes the key; undefined: it is not blocked */
  by(key: string): LogIndex | undefined {
    return this.#keys.by(key);
  }

  tick(): void {
    const { lead, log, hard } = this.#parts.state();
    const waits = lead !== null && log.last !== hard.commit;
    this.#isOutage = waits && this.#parts.silentMs() > this.#parts.outageMs;
  }

  sort(proposals: readonly Proposal[]): SortedWrites {
    if (!this.#isOutage) return { accepted: proposals, refused: [] };
    const accepted: Proposal[] = [];
    const refused: Answer[] = [];
    for (const proposal of proposals) {
      const key = this.#keys.blocking(proposal.payload);
      if (key === undefined) accepted.push(proposal);
      else refused.push({ ticket: proposal.ticket, refused: this.#blocked(key) });
    }
    return { accepted, refused };
  }

  #blocked(key: string): ReplicationError {
    const text = `an earlier write of ${key} waits for a majority of the voters, who do not answer`;
    return new ReplicationError("KEY_BLOCKED", text, { retryAfterMs: this.#parts.outageMs });
  }
}

import type { NodeId } from "../../base/index.js";
import type { Cancel, Timers } from "../../runtime/index.js";
import type { Proposal } from "../driver/effects.js";
import type { LogStore } from "../ports/index.js";
import type { HaInput } from "./core/effects.js";
import type { HaState } from "./core/state.js";
import { type BatchReceiver, type SendEntries, sendEntries } from "./send-entries.js";

export interface EntrySenderParts extends BatchReceiver {
  readonly log: LogStore;
  readonly timers: Timers;
  /** How long entries may gather that nobody waits for, in milliseconds; 0: not at all. */
  readonly gatherMs: number;
  state(): HaState;
  /** What was sent, said from inside a step, and later. */
  sent(input: HaInput): void;
  sentLater(input: HaInput): void;
}

const asksStandby = ({ durability }: Proposal) =>
  durability !== undefined && durability !== "local";

/**
 * HB-52: sends entries at once, unless nobody waits for a standby's word. Then few of them gather
 * first: each message costs both nodes more than what is in it.
 */
export class EntrySender {
  readonly #parts: EntrySenderParts;
  readonly #gathering = new Map<NodeId, { readonly effect: SendEntries; readonly stop: Cancel }>();

  constructor(parts: EntrySenderParts) {
    this.#parts = parts;
  }

  take(effect: SendEntries): void {
    const { log, timers, gatherMs } = this.#parts;
    this.#gathering.get(effect.to)?.stop();
    this.#gathering.delete(effect.to);
    if (!this.#mayGather(effect)) {
      this.#parts.sent(sendEntries(effect, log, this.#parts));
      return;
    }
    const stop = timers.after(gatherMs, () => this.#leave(effect.to));
    this.#gathering.set(effect.to, { effect, stop });
  }

  /** Somebody may wait for a standby's word from now on. */
  hurry(proposals: readonly Proposal[]): void {
    if (this.#gathering.size === 0 || !proposals.some(asksStandby)) return;
    for (const to of [...this.#gathering.keys()]) this.#leave(to);
  }

  close(): void {
    for (const { stop } of this.#gathering.values()) stop();
    this.#gathering.clear();
  }

  #mayGather({ to, from, upTo, entriesMax }: SendEntries): boolean {
    const { gatherMs, state } = this.#parts;
    const { lead, waiting, owed } = state();
    if (gatherMs === 0 || upTo - from >= entriesMax) return false;
    if (lead === null || lead.switchover !== null || owed.length > 0) return false;
    if (lead.peers.get(to)?.progress.phase !== "replicate") return false;
    return !waiting.some(({ wants }) => wants.some((want) => want !== null && want !== "local"));
  }

  /** With all that is there by now, unless the stream went on from somewhere else meanwhile. */
  #leave(to: NodeId): void {
    const gathered = this.#gathering.get(to);
    if (gathered === undefined) return;
    this.#gathering.delete(to);
    gathered.stop();
    const { log, state, sentLater } = this.#parts;
    const { lead, hard, log: outline } = state();
    const { effect } = gathered;
    if (lead === null || hard.term !== effect.epoch) return;
    if (lead.peers.get(to)?.progress.next !== effect.from) return;
    const { last: upTo } = outline;
    sentLater(sendEntries({ ...effect, upTo, commit: hard.commit }, log, this.#parts));
  }
}

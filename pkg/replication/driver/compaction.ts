import type { LogIndex, Position } from "../../base/index.js";
import type { Logger } from "../../runtime/index.js";
import type { ReplicationLimits } from "../limits.js";
import type { LogStore, StateMachine } from "../ports/index.js";

export interface CompactionParts {
  readonly log: LogStore;
  readonly stateMachine: StateMachine;
  readonly limits: ReplicationLimits;
  readonly logger: Logger;
  /** What only the log held is kept elsewhere; tells how far it may be cut. */
  beforeCut(upTo: LogIndex): Promise<LogIndex>;
  cut(base: Position): void;
  /** The state machine may have fallen back; before its position is taken for durable. */
  noticeFallback(): Promise<void>;
}

/** Drops the log's oldest segments once the state machine holds them durably (FC-039). */
export class Compaction {
  readonly #parts: CompactionParts;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(parts: CompactionParts) {
    this.#parts = parts;
  }

  /** Cuts when it is worth it; never rejects. */
  async tend(): Promise<void> {
    const { limits, logger } = this.#parts;
    if (this.#waiting > 0 || this.#ended) return;
    try {
      await this.#inTurn(() => this.#cut(limits.compactionThresholdEntries));
    } catch (error) {
      logger.log("warn", "compaction_failed", `The log was not cut: ${String(error)}`);
    }
  }

  /**
   * Makes all that is applied durable in the state machine and cuts what need not be kept.
   * @returns what the state machine holds durably
   */
  now(): Promise<Position> {
    return this.#inTurn(async () => {
      await this.#parts.stateMachine.flush();
      await this.#cut(1);
      return this.#parts.stateMachine.durablePosition();
    });
  }

  /** Nothing begins any more; resolves when what is under way has ended. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#last;
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const run = this.#last.then(body).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = run.catch(() => {});
    return run;
  }

  async #cut(entriesMin: number): Promise<void> {
    const { log, stateMachine, limits } = this.#parts;
    await this.#parts.noticeFallback();
    const durable = await stateMachine.durablePosition();
    const upTo = durable.index - limits.trailingEntries;
    if (upTo - log.firstIndex < entriesMin) return;
    const allowed = await this.#parts.beforeCut(upTo as LogIndex);
    if (allowed < log.firstIndex) return;
    await log.truncatePrefix(allowed);
    this.#parts.cut(log.base);
  }
}

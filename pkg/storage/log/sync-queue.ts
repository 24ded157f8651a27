import { type Deferred, deferred, type LogIndex } from "../../base/index.js";

/** One sync at a time; whoever asks while one is under way shares the next. */
export class SyncQueue {
  readonly #syncOnce: () => Promise<LogIndex>;
  #running: Promise<void> | undefined;
  #next: Deferred<LogIndex> | undefined;

  constructor(syncOnce: () => Promise<LogIndex>) {
    this.#syncOnce = syncOnce;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Settles with a sync that begins after this call. */
  request(): Promise<LogIndex> {
    this.#next ??= deferred<LogIndex>();
    const { promise } = this.#next;
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when none is under way or asked for. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // One turn later, so that callers of the same turn share the first sync as well.
    await Promise.resolve();
    for (let turn = this.#next; turn !== undefined; turn = this.#next) {
      this.#next = undefined;
      try {
        turn.resolve(await this.#syncOnce());
      } catch (error) {
        turn.promise.catch(() => {});
        turn.reject(error);
      }
    }
    this.#running = undefined;
  }
}

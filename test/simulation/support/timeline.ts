import { EventQueue } from "../../support/event-queue.js";

/** Virtual time in which everything of one run happens, one event after the other. */
export class Timeline {
  readonly #events = new EventQueue();
  #order = 0;
  now = 0;

  after(delay: number, run: () => void): void {
    this.#order += 1;
    this.#events.push({ atUs: this.now + delay, order: this.#order, run, cancelled: false });
  }

  /** Runs the next event. @returns false when there is none */
  turn(): boolean {
    const event = this.#events.shift();
    if (event === undefined) return false;
    this.now = event.atUs;
    event.run();
    return true;
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "./ask.js";
import { until } from "./raft-cluster.js";

const PAUSE_MS = 20;

/**
 * Writers that each count a property of one node up, by one, again and again. A step whose outcome
 * is not known is repeated under its own key, so that each takes effect once.
 */
export class Counting {
  readonly #urls: () => readonly string[];
  readonly #node: string;
  readonly #writing: readonly Promise<void>[];
  readonly #steps: number[];
  #goesOn = true;

  /** @param urls - of the nodes that may be asked at the moment */
  constructor(urls: () => readonly string[], node: string, writers: number) {
    this.#urls = urls;
    this.#node = node;
    this.#steps = Array.from({ length: writers }, () => 0);
    this.#writing = this.#steps.map((_, at) => this.#write(at));
  }

  total(): number {
    return this.#steps.reduce((sum, steps) => sum + steps, 0);
  }

  reach(more: number): Promise<unknown> {
    const count = this.total() + more;
    return until("counting goes on", async () => this.total() >= count);
  }

  /** @returns what was counted, each step of which is certain */
  async stop(): Promise<number> {
    this.#goesOn = false;
    await Promise.all(this.#writing);
    return this.total();
  }

  async #write(at: number): Promise<void> {
    for (let step = 0; this.#goesOn; step += 1) {
      await this.#count(`${this.#node}-${at}-${step}`);
      this.#steps[at] = step + 1;
    }
  }

  async #count(key: string): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const urls = this.#urls();
      const url = `${urls[tries % urls.length]}/nodes/${this.#node}/increment`;
      const headers = { "idempotency-key": key };
      const answer = await ask(url, "POST", { property: "n", by: 1 }, headers).catch(() => null);
      if (answer?.status === 200) return;
      if (answer?.status === 400) throw new Error(answer.text);
      await sleep(PAUSE_MS);
    }
  }
}

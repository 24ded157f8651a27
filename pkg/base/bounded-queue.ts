import { invariant } from "./invariant.js";

/** First in, first out, with a limit the owner chose; `push` beyond it answers false. */
export class BoundedQueue<T> {
  readonly #itemsMax: number;
  #items: T[] = [];
  #head = 0;

  constructor(itemsMax: number) {
    invariant(Number.isSafeInteger(itemsMax) && itemsMax > 0, "a queue holds at least one item");
    this.#itemsMax = itemsMax;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** @returns false, with nothing changed, when the queue is full */
  push(item: T): boolean {
    if (this.length >= this.#itemsMax) return false;
    this.#items.push(item);
    return true;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (this.#head >= this.#items.length) return undefined;
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Empties the queue and hands out what was in it, oldest first. */
  drain(): T[] {
    const rest = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return rest;
  }
}

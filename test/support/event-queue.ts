/** Something due at a point of virtual time; `order` breaks ties in the order of scheduling. */
export interface QueuedEvent {
  readonly atUs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** A binary heap, earliest first, first scheduled first among equals. */
export class EventQueue {
  readonly #heap: QueuedEvent[] = [];

  push(event: QueuedEvent): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as QueuedEvent;
      if (isBefore(above, event)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  /** The next event that was not cancelled, left in the queue. */
  peek(): QueuedEvent | undefined {
    while (this.#heap[0]?.cancelled) this.#take();
    return this.#heap[0];
  }

  shift(): QueuedEvent | undefined {
    return this.peek() && this.#take();
  }

  /** Events that were scheduled and neither ran nor were cancelled. */
  pending(): number {
    return this.#heap.reduce((count, event) => count + (event.cancelled ? 0 : 1), 0);
  }

  #take(): QueuedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && isBefore(right, heap[child] as QueuedEvent)) child += 1;
      const below = heap[child] as QueuedEvent;
      if (isBefore(last, below)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.atUs !== b.atUs ? a.atUs < b.atUs : a.order < b.order;
}

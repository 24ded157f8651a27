import type { JsonValue } from "../../../pkg/base/index.js";
import { canonicalText } from "../../../pkg/storage/canonical.js";
import type { Event } from "./regions-world.js";

/** One write to one place, with the command it belongs to. */
interface Placed {
  readonly event: Event;
  /** undefined: taken away. */
  readonly value: JsonValue | undefined;
}

/** What must come out for one place, from all commands at once and what their writers knew. */
export interface Expected {
  readonly versions: readonly string[];
  readonly winner: JsonValue | undefined;
  readonly disagrees: boolean;
}

/** Somebody who wrote `later` knew `earlier`. */
function knew(later: Event, earlier: Event): boolean {
  const [a, b] = [later.change, earlier.change];
  if (a.origin === b.origin) return b.seq < a.seq;
  return (a.seen.get(b.origin) ?? 0) >= b.seq;
}

const nameOf = ({ change }: Event): string => `${change.origin}:${change.seq}`;

function isLater(a: Event, b: Event): boolean {
  const [x, y] = [a.change, b.change];
  if (x.ms !== y.ms) return x.ms > y.ms;
  if (x.counter !== y.counter) return x.counter > y.counter;
  return x.origin > y.origin;
}

/**
 * The merge said a second time, with nothing in common with the first: for each place it looks at
 * all commands there ever were, and takes those that no later one knew.
 */
export class Oracle {
  readonly #events: readonly Event[];
  readonly #firstWins: boolean;

  constructor(events: readonly Event[], firstWins: boolean) {
    this.#events = events;
    this.#firstWins = firstWins;
  }

  life(key: string): Expected {
    return this.#decide(
      this.#writes(key, (write) => [write.life]),
      [],
    );
  }

  property(key: string, name: string): Expected {
    const writes = this.#events.flatMap((event) => {
      const sent = event.change.things.find((thing) => thing.key === key);
      const hit = sent?.properties.find((property) => property.name === name);
      return hit === undefined ? [] : [{ event, value: hit.value }];
    });
    return this.#decide(writes, this.#begins(key));
  }

  hasLabel(key: string, label: string): boolean {
    const writes = this.#writes(key, ({ labels }) => {
      const present = labels?.get(label);
      return present === undefined ? [] : [present];
    });
    return this.#front(writes, this.#begins(key)).some(({ value }) => value === true);
  }

  /** Commands that added to a number there. */
  increments(key: string, name: string): readonly (readonly [event: Event, by: number])[] {
    return this.#events.flatMap((event) => {
      const write = event.writes.find((candidate) => candidate.key === key);
      const by = write?.increments?.get(name);
      return by === undefined ? [] : [[event, by] as const];
    });
  }

  /** What the number is: the value that counts, and all that its writer did not know. */
  sum(key: string, name: string): JsonValue | undefined {
    const { winner, versions } = this.property(key, name);
    if (winner !== undefined && typeof winner !== "number") return winner;
    const counting = this.#events.find((event) => nameOf(event) === versions[0]);
    const missing = this.increments(key, name).filter(
      ([event]) => counting === undefined || !(event === counting || knew(counting, event)),
    );
    if (missing.length === 0) return winner;
    return missing.reduce((sum, [, by]) => sum + by, (winner as number | undefined) ?? 0);
  }

  /** Commands that made the thing anew. */
  #begins(key: string): readonly Event[] {
    return this.#events.filter(({ change }) =>
      change.things.some((thing) => thing.key === key && thing.fresh === true),
    );
  }

  hasSeveralLives(key: string): boolean {
    return this.#begins(key).length > 1;
  }

  #writes(
    key: string,
    read: (write: Event["writes"][number]) => readonly (JsonValue | undefined)[],
  ): readonly Placed[] {
    return this.#events.flatMap((event) =>
      event.writes
        .filter((write) => write.key === key)
        .flatMap((write) => read(write).map((value) => ({ event, value }))),
    );
  }

  #front(writes: readonly Placed[], begins: readonly Event[]): readonly Placed[] {
    return writes.filter(
      ({ event }) =>
        !writes.some((other) => knew(other.event, event)) &&
        !begins.some((begin) => begin !== event && knew(begin, event)),
    );
  }

  #decide(writes: readonly Placed[], begins: readonly Event[]): Expected {
    const front = [...this.#front(writes, begins)].sort((a, b) =>
      isLater(a.event, b.event) !== this.#firstWins ? -1 : 1,
    );
    const texts = new Set(
      front.map(({ value }) => (value === undefined ? "" : canonicalText(value))),
    );
    return {
      versions: front.map(({ event }) => nameOf(event)),
      winner: front[0]?.value,
      disagrees: texts.size > 1,
    };
  }
}

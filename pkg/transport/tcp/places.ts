import type { Session } from "./handshake.js";

const DISPLACED_MAX = 16;

/** A link, as far as its place goes. */
export interface Occupant {
  whenClosed(run: () => void): void;
  close(reason: string): void;
}

interface Place {
  readonly link: Occupant;
  readonly instance: string;
  /** Processes of the same name that had the place before; they do not get it back. */
  readonly displaced: readonly string[];
}

type Claim = Omit<Session, "seals">;

/**
 * The newest connection of each peer and lane. A process that was displaced by another one of the
 * same name is kept out as long as that one is connected, so that two of them do not take turns.
 */
export class Places {
  readonly #places = new Map<string, Place>();

  /** Closes the link that had the place. @returns false for a process that was displaced */
  claim({ peer, cluster, lane, instance }: Claim, link: Occupant): boolean {
    const key = `${cluster}/${peer}/${lane}`;
    const before = this.#places.get(key);
    const displaced = before === undefined ? [] : [...before.displaced];
    if (displaced.includes(instance)) return false;
    if (before !== undefined && before.instance !== instance) displaced.push(before.instance);
    this.#places.set(key, { link, instance, displaced: displaced.slice(-DISPLACED_MAX) });
    link.whenClosed(() => {
      if (this.#places.get(key)?.link === link) this.#places.delete(key);
    });
    before?.link.close("replaced by a newer connection");
    return true;
  }
}
